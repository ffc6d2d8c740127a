"""The fast path for streams: results for lines without checking each of them by all rules.

`read` yields the blocks of a stream with the results for their lines. An `UnknownLine` has no result and must be
checked by all rules; after that, `learn_from` lets the fast path learn from the line.
"""

from mlv_validate._fast.invalid import BrokenRules, may_name_record, may_start
from mlv_validate._fast.items import InvalidLines, Item, Run, UnknownLine
from mlv_validate._fast.parallel import is_long, read
from mlv_validate._fast.shapes import learn_from

__all__ = [
    "BrokenRules",
    "InvalidLines",
    "Item",
    "Run",
    "UnknownLine",
    "is_long",
    "learn_from",
    "may_name_record",
    "may_start",
    "read",
]
