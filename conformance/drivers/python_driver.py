"""The driver of `mlvlogger` and `mlv-validate` for the conformance suite; DRIVER.md describes what it answers."""

import sys
from functools import partial
from pathlib import Path

from _python_reading import answer_each, identify, judge, metrics, read, state
from _python_writing import UNSUPPORTED, write


def main(command: str, *arguments: str) -> int:
    match command, arguments:
        case "write", (directory, *_):  # further arguments are for the recorded command line
            return write(Path(directory))
        case "id", files:
            return answer_each(identify, files)
        case "read", directories:
            return answer_each(read, directories)
        case "validate", ("--sealed", "--anchor", anchor, *directories):
            return answer_each(partial(judge, sealed=True, anchor=anchor), directories)
        case "metrics", directories:
            return answer_each(metrics, directories)
        case "validate", ("--sealed", *directories):
            return answer_each(partial(judge, sealed=True), directories)
        case "validate", ("--anchor", anchor, *directories):
            return answer_each(partial(judge, anchor=anchor), directories)
        case "validate", directories:
            return answer_each(judge, directories)
        case "statement", directories:
            return answer_each(state, directories)
    return UNSUPPORTED


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
