"""Standard streams without a descriptor, as the cells of a notebook have them."""

import io
from typing import Any


class Cells(io.TextIOBase):
    """A stream that keeps what is written to it."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.parent: Any = None

    def write(self, text: str) -> Any:
        if not isinstance(text, str):
            raise TypeError("not a string")
        self.texts.append(text)
        return len(text)

    def set_parent(self, parent: Any) -> None:
        self.parent = parent

    def text(self) -> Any:
        return "".join(self.texts)
