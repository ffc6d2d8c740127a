"""Text of others, made harmless for a terminal."""

__all__ = ["plain"]


def plain(text: str) -> str:
    """*text* with what does not print, such as control characters and line ends, as escapes."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
