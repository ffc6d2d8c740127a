"""The place of the digest on the line of a seal (specification 1.0, `seal.digest`)."""

__all__ = ["SEAL_END", "SUFFIX"]

#: The end of the line of a seal, after the digits of its digest.
SUFFIX = b'"}}\n'

#: The number of bytes from the place of a seal to the end of its line: the digits, and `SUFFIX`.
SEAL_END = 64 + len(SUFFIX)
