"""A long stream, read by several processes: each reads ranges, and sends back the results for their lines."""

from collections.abc import Iterable, Iterator

from mlv_validate._fast.items import Item, UnknownLine, ValidLine
from mlv_validate._fast.shapes import check_block
from mlv_validate._jobs import WorkerFailed, can_fork, workers
from mlv_validate._read.directory import File, Unreadable
from mlv_validate._read.lines import Block, blocks

__all__ = ["is_long", "read"]

_LONG = 16 * 1024 * 1024

_RANGE = 4 * 1024 * 1024


def is_long(size: int) -> bool:
    """Return whether a stream of so many bytes is worth several processes."""
    return size >= _LONG


Read = tuple[Block, Iterable[Item]]


def read(file: File, jobs: int) -> Iterator[Read]:
    """Yield the blocks of a stream with the results for their lines; blocks from other processes have no bytes."""
    is_alone = jobs < 2 or not is_long(file.size) or file.is_sparse or not can_fork()
    for block in blocks(file, 0, file.size if is_alone else _RANGE):
        yield block, _check(block)  # the other processes inherit what this one learned from the first range
    if is_alone:
        return
    try:
        with workers(jobs, lambda number: _ranges(file, number, jobs)) as found:
            for number in range(-(-file.size // _RANGE) - 1):  # all ranges but the first
                yield from next(found[number % jobs])
    except WorkerFailed as error:
        raise Unreadable(str(error)) from error


def _check(block: Block) -> Iterable[Item]:
    return check_block(block.raw) if block.raw is not None else [UnknownLine(0, block.end - block.start)]


def _ranges(file: File, number: int, jobs: int) -> Iterator[list[Read]]:
    for start in range((1 + number) * _RANGE, file.size, jobs * _RANGE):
        yield [
            (block._replace(raw=None), [_without_data(item) for item in _check(block)])
            for block in blocks(file, start, start + _RANGE)
        ]


def _without_data(item: Item) -> Item:
    """Return a result without the `data` of the event, which the remaining checks don't need."""
    return item._replace(event={**item.event, "data": None}) if isinstance(item, ValidLine) else item
