"""Asks pyright whether every public name of mlvlogger has a type that is known: `verify_types.py`, of `tox -e types`.

The adapters are left out: their base classes are the frameworks', which are not installed here.
"""

import json
import subprocess
import sys
import tempfile

ADAPTERS = "mlvlogger.integrations"


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:  # as a separate project, without this repository's settings
        command = ["pyright", "--project", folder, "--pythonpath", sys.executable, "--outputjson"]
        command += ["--verifytypes", "mlvlogger", "--ignoreexternal"]
        done = subprocess.run(command, capture_output=True, text=True)
    try:
        symbols = json.loads(done.stdout)["typeCompleteness"]["symbols"]
    except (ValueError, KeyError):
        print(done.stdout, done.stderr, sep="\n")
        return 1
    judged = [one for one in symbols if not one["name"].startswith(ADAPTERS)]
    unknown = [one for one in judged if not one["isTypeKnown"] or one["isTypeAmbiguous"]]
    for one in unknown:
        print(one["name"], *(diagnostic["message"] for diagnostic in one["diagnostics"]), sep="\n  ")
    print(f"{len(judged) - len(unknown)} of {len(judged)} public names and members have a type that is known")
    return 1 if unknown or len(judged) < 90 else 0


if __name__ == "__main__":
    sys.exit(main())
