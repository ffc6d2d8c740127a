"""The fast path for streams: what is known about lines without checking each of them by all rules.

`read` returns the lines of a stream in items: a `Run`, `Clean` or `Bad` item is known, a `Whole` line must be checked
by all rules. `lesson` lets the fast path learn from a line that was.
"""

from mlv_validate._fast.flaws import Flaw
from mlv_validate._fast.parallel import is_long, read
from mlv_validate._fast.shapes import Bad, Item, Run, Whole, lesson

__all__ = ["Bad", "Flaw", "Item", "Run", "Whole", "is_long", "lesson", "read"]
