"""`python -m mlv_validate`, the same as the command `mlv-validate`."""

from mlv_validate._cli import main

if __name__ == "__main__":
    main()
