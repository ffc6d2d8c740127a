"""Helper processes: another interpreter, which runs a module of this package and can outlive the program."""

from __future__ import annotations

import os
import signal
import sys
from itertools import repeat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

__all__ = ["detach", "exit_reason", "spawn"]

# Only the package can be imported, not the modules next to it: one of these may have the name of a standard module.
_COMMAND = (
    "import sys; package = sys.modules['mlvlogger'] = type(sys)('mlvlogger'); package.__path__ = [sys.argv[1]]; "
    "from mlvlogger.{} import serve; serve(*sys.argv[2:])"
)


def spawn(
    module: str,
    descriptors: Iterable[int],
    arguments: Callable[[list[int]], list[str]],
    pids: list[int],
    actions: Callable[[list[int]], list[Any]] = lambda own: [],
) -> None:
    """Start a helper process that calls `serve` of a module of this package, and append its pid to *pids*.

    Args:
        module: The name of the module in the package.
        descriptors: The descriptors for the helper process, which gets copies with other numbers.
        arguments: A function that returns the arguments of `serve` for the numbers of the copies.
        pids: A list of the caller, which has the pid even if an exception of a signal handler ends this call.
        actions: A function that returns further file actions of `os.posix_spawn` for the numbers of the copies.

    Raises:
        OSError: If the system refuses.
    """
    from fcntl import F_DUPFD_CLOEXEC, fcntl
    from functools import partial  # here, because the helper process imports this module and doesn't need it

    own: list[int] = []
    try:
        # No copy is 0, 1 or 2, also if the program has closed these. While `map` runs, here and below, no signal
        # handler can run: its exception would leave a copy open, which keeps a file locked, or a process running.
        own += map(fcntl, descriptors, repeat(F_DUPFD_CLOEXEC), repeat(3))
        package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        start = partial(
            os.posix_spawn,
            sys.executable,
            [sys.executable, "-I", "-S", "-c", _COMMAND.format(module), package, *arguments(own)],
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                *actions(own),
                *((os.POSIX_SPAWN_DUP2, fd, fd) for fd in own),  # a copy onto itself stays open in the helper process
            ],
            setsid=True,  # the interrupt key and the hangup of a terminal don't reach it
        )
        pids += map(start, [os.environ])
    finally:
        list(map(os.close, own))


def exit_reason(pid: int, wait: bool = False) -> str:
    """Return how a child process has ended, such as `"exit code 1"` or `"SIGKILL"`; empty while it runs.

    Args:
        pid: The child process.
        wait: Whether to wait until it has ended.
    """
    try:
        found, status = os.waitpid(pid, 0 if wait else os.WNOHANG)
    except ChildProcessError:
        return "exit code unknown"  # another caller has reaped it
    if not found:
        return ""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:  # one without a name
        return f"signal {-code}"


def detach(descriptors: Sequence[int]) -> None:
    """Detach this helper process from the program: ignore its signals, and close all but *descriptors*."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"):
        # A signal that ends the program must not end this process before it has written the events of the program.
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # at a limit of file sizes, a write then fails with an error
    keep = sorted(descriptors)
    for low, high in zip([3, *(fd + 1 for fd in keep)], [*keep, 4096], strict=True):
        os.closerange(low, high)  # descriptors that libraries of the program have left inheritable
    os.chdir("/")  # so that the program's working directory can be removed or unmounted
