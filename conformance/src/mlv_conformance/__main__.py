"""`python -m mlv_conformance`, the same as the command `mlv-conformance`."""

from mlv_conformance._cli import main

if __name__ == "__main__":
    main()
