"""The command, whose progress bar is drawn at once and as often as possible."""

from mlv_validate import _cli
from mlv_validate._output import progress

progress.DELAY = progress.REDRAW_INTERVAL = 0
_cli.main()
