"""The name of this host."""

from __future__ import annotations

import os

__all__ = ["host"]


def host() -> str:
    """Return the name of this host, as it is recorded."""
    if hasattr(os, "uname"):
        return os.uname().nodename
    import socket  # Windows; on other systems, the import would only take time

    return socket.gethostname()
