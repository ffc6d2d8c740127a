"""Helper processes: another interpreter that runs a module of this package, and outlives the program."""

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

# The package alone can be imported, and not its neighbors: one of these may have the name of a standard module.
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
    """Start another process that calls `serve` of a module of this package. Append its pid to *pids*.

    Args:
        module: The name of the module in the package.
        descriptors: The descriptors that the other process gets. It gets copies, which have other numbers.
        arguments: Returns the arguments of `serve`, from the numbers of the copies.
        pids: A list of the caller, which has the pid even if an exception of a signal handler ends this call.
        actions: Returns further file actions of `os.posix_spawn`, from the numbers of the copies.

    Raises:
        OSError: If the system refuses.
    """
    from fcntl import F_DUPFD_CLOEXEC, fcntl
    from functools import partial  # which the other process would import, too, and doesn't need

    own: list[int] = []
    try:
        # Copies of which none is 0, 1 or 2, also where the program has closed these. While `map` works, here and below,
        # no signal handler can run: an exception of one would leave a copy, which keeps a file locked, or a process.
        own += map(fcntl, descriptors, repeat(F_DUPFD_CLOEXEC), repeat(3))
        package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        start = partial(
            os.posix_spawn,
            sys.executable,
            [sys.executable, "-I", "-S", "-c", _COMMAND.format(module), package, *arguments(own)],
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                *actions(own),
                *((os.POSIX_SPAWN_DUP2, fd, fd) for fd in own),  # to itself: it stays open in the other process
            ],
            setsid=True,  # the interrupt key and the hangup of a terminal are not for it
        )
        pids += map(start, [os.environ])
    finally:
        list(map(os.close, own))


def exit_reason(pid: int, wait: bool = False) -> str:
    """Return how a process has ended; empty while it runs, unless *wait* is true."""
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
    """In the other process: outlive the signals that end the program, and keep nothing open but *descriptors*."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"):
        # What ends the program must not end us before we have written what it left. SIGKILL is for those who mean it.
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a limit of the file's size is an error, not an end
    keep = sorted(descriptors)
    for low, high in zip([3, *(fd + 1 for fd in keep)], [*keep, 4096], strict=True):
        os.closerange(low, high)  # what the program's libraries have left open
    os.chdir("/")  # whose directory can be removed or unmounted
