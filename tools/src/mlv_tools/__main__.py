"""``python -m mlv_tools`` is the command `mlv`."""

from mlv_tools._cli import main

main()
