"""Faults of the system's calls below a directory: preload.c, compiled where there is a compiler, and its control."""

from __future__ import annotations

import ctypes
import mmap
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["FOR_EVER", "KINDS", "Fault", "Injection", "missing_compiler"]

#: The kinds of calls, in the order of preload.c: several system calls, one effect.
KINDS = ("write", "read", "sync", "open", "link", "truncate", "lock", "close", "mkdir", "unlink")

#: For `times`: every call from the first one on.
FOR_EVER = 2**30

_PATH = 1024


class _Fault(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int32) for name in "kind first times error part milliseconds hits".split()]


class _Control(ctypes.Structure):
    _fields_ = [
        ("armed", ctypes.c_int32),
        ("seen", ctypes.c_int32 * len(KINDS)),
        ("faults", _Fault * 2),
        ("root", ctypes.c_char * _PATH),
        ("hit", ctypes.c_char * _PATH),
    ]


@dataclass(frozen=True)
class Fault:
    """Some calls of a kind, and what becomes of them.

    Attributes:
        kind: One of `KINDS`.
        first: The number of the first call that is hit, counted from 1.
        times: How many in a row are hit.
        error: The errno that they fail with; 0 lets them be, so that they only wait.
        part: Percent of its bytes that the first write which is hit writes, and says so; only the others fail.
        milliseconds: How long a call that is hit waits.
    """

    kind: str
    first: int = 1
    times: int = FOR_EVER
    error: int = 0
    part: int = 0
    milliseconds: int = 0


def missing_compiler() -> str:
    """Why faults cannot be injected on this machine, or nothing."""
    return "" if shutil.which("cc") else "there is no C compiler (cc)"


class Injection:
    """A library to be preloaded, and what it does in all programs that were started with `environment`.

    Args:
        directory: Where the library and its control go; it must not be below what faults are armed for.
    """

    def __init__(self, directory: Path) -> None:
        library, control = directory / "preload.so", directory / "control"
        source = Path(__file__).with_name("preload.c")
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        control.write_bytes(bytes(ctypes.sizeof(_Control)))
        with control.open("r+b") as file:
            self._control = _Control.from_buffer(mmap.mmap(file.fileno(), 0))
        #: The variables that a program under test needs; what it starts inherits them.
        self.environment = {"LD_PRELOAD": str(library), "MLV_FAULTS_CONTROL": str(control)}

    def arm(self, root: Path, *faults: Fault) -> None:
        """Begin to count calls below *root*, and hit those of *faults*, of which there may be two."""
        self.lift()
        control = self._control
        control.hit = b""
        control.seen = (ctypes.c_int32 * len(KINDS))()
        control.faults = (_Fault * 2)(
            *(
                _Fault(KINDS.index(fault.kind), fault.first, fault.times, fault.error, fault.part, fault.milliseconds)
                for fault in faults
            )
        )
        control.root = os.fsencode(os.path.realpath(root)) + b"/"
        control.armed = 1

    def lift(self) -> None:
        """Let all calls be."""
        self._control.armed = 0

    @property
    def hits(self) -> list[int]:
        """How many calls each of the two faults has hit since `arm`."""
        return [fault.hits for fault in self._control.faults]

    @property
    def hit(self) -> str:
        """The path of the first call that was hit."""
        return os.fsdecode(self._control.hit)

    @property
    def seen(self) -> dict[str, int]:
        """How many calls of each kind there were since `arm`."""
        return dict(zip(KINDS, self._control.seen, strict=True))
