"""Signatures of statements with SSH keys, made and verified by the program `ssh-keygen`."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["NAMESPACE", "Signature", "sign", "signatures_of", "verify"]

NAMESPACE = "mlv-statement"
"""The namespace of the signatures, which keeps them from being taken for those of other files."""

_KEY = re.compile(r"with (\S+) key (SHA256:\S+)")


@dataclass(frozen=True)
class Signature:
    """The result for one signature.

    Attributes:
        path: The file of the signature.
        result: `good`; `bad` if the signature isn't one of the statement; `wrong key` if the signer has another key;
            `unknown signer` if the key belongs to no allowed signer.
        signer: The name of the signer, None if it isn't known.
        key: The type and the fingerprint of the key, None if the signature is bad.
    """

    path: Path
    result: Literal["good", "bad", "wrong key", "unknown signer"]
    signer: str | None = None
    key: str | None = None


def signatures_of(statement: Path) -> list[Path]:
    """Return the files with signatures of a statement, which are next to it."""
    name = re.compile(re.escape(statement.name) + r"(?:\.([2-9]|[1-9][0-9]+))?\.sig")
    found = []
    for path in statement.parent.iterdir():
        match = name.fullmatch(path.name)
        if match and path.is_file() and not path.is_symlink():  # ssh-keygen would wait for a pipe
            found.append((int(match[1] or 1), path))
    return [path for _, path in sorted(found)]


def sign(statement: Path, key: Path) -> tuple[Path, bool]:
    """Sign a statement, and return the file with the signature and whether it is new. No existing file is changed.

    Args:
        statement: The file of the statement.
        key: The private key, or a public key whose private key an agent has.

    Raises:
        OSError: If `ssh-keygen` isn't installed or fails, or if the signature can't be written.
    """
    raw = statement.read_bytes()
    done = _ssh_keygen("sign", "-f", key, "-n", NAMESPACE, "-q", stdin=raw)
    if done.returncode or not done.stdout.startswith(b"-----BEGIN SSH SIGNATURE-----"):
        raise OSError(f"{statement} was not signed: {_reason(done)}. Pass a private key of yours with --key.")
    for path in signatures_of(statement):
        if path.read_bytes() == done.stdout:
            return path, False
    number = 1
    while True:
        path = statement.with_name(f"{statement.name}{'' if number == 1 else f'.{number}'}.sig")
        try:
            with path.open("xb") as file:
                file.write(done.stdout)
        except FileExistsError:
            number += 1
        else:
            return path, True


def verify(statement: bytes, signature: Path, allowed: Path | None, signer: str | None) -> Signature:
    """Verify a signature of a statement.

    Args:
        statement: The bytes of the statement.
        signature: The file of the signature.
        allowed: A file of allowed signers, as `ssh-keygen` reads it; without it, every signer is unknown.
        signer: The name that the signer must have; by default, that of any allowed signer.

    Raises:
        OSError: If `ssh-keygen` isn't installed.
    """
    done = _ssh_keygen("check-novalidate", "-n", NAMESPACE, "-s", signature, stdin=statement)
    match = _KEY.search(done.stdout.decode("utf-8", "replace"))
    if done.returncode or not match:
        return Signature(signature, "bad")
    key = f"{match[1]} {match[2]}"
    if allowed is None:
        return Signature(signature, "unknown signer", None, key)
    found = _ssh_keygen("find-principals", "-s", signature, "-f", allowed).stdout.decode("utf-8", "replace")
    for name in [signer] if signer is not None else found.splitlines():
        verified = _ssh_keygen("verify", "-f", allowed, "-I", name, "-n", NAMESPACE, "-s", signature, stdin=statement)
        if not verified.returncode:
            return Signature(signature, "good", name, key)
    if signer is not None and not _ssh_keygen("match-principals", "-I", signer, "-f", allowed).returncode:
        return Signature(signature, "wrong key", signer, key)
    return Signature(signature, "unknown signer", None, key)


def _ssh_keygen(command: str, *arguments: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["ssh-keygen", "-Y", command, *arguments], input=stdin, capture_output=True)
    except FileNotFoundError:
        raise OSError(
            "ssh-keygen isn't installed. Install OpenSSH, for example with: apt-get install openssh-client"
        ) from None


def _reason(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[-1].rstrip(".\r") if lines else f"ssh-keygen ended with {done.returncode}"
