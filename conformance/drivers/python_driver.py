"""The driver of `mlvlogger` and `mlv-validate` for the conformance suite; DRIVER.md describes what it answers."""

import sys
from pathlib import Path

from _python_writing import UNSUPPORTED, write


def main(command: str, *arguments: str) -> int:
    if command == "write":
        return write(Path(arguments[0]))
    return UNSUPPORTED


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
