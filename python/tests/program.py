"""The programs that tests run in separate processes: files in `programs/`, so that they are linted and typed.

Those in `programs/integrations/` need frameworks, so mypy does not read them.
"""

from pathlib import Path


def program(name: str) -> str:
    """Return the text of `programs/NAME.py`, for `python -c`: a program run as a file would record its repository."""
    return Path(__file__).with_name("programs").joinpath(f"{name}.py").read_text("utf-8")
