"""The name of this host."""

from __future__ import annotations

import os

__all__ = ["host"]


def host() -> str:
    """Return the name of this host, as records say it."""
    if hasattr(os, "uname"):
        return os.uname().nodename
    import socket  # Windows; milliseconds that other systems needn't pay

    return socket.gethostname()
