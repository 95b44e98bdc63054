"""What was worked out once for a run and is kept: the most recently used, each made by one thread only."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

__all__ = ["Memo"]

T = TypeVar("T")


@dataclass
class _Cell:
    lock: threading.Lock = field(default_factory=threading.Lock)
    made: bool = False
    value: Any = None


class Memo:
    """At most `size` values by key, the least recently used forgotten first. Safe for threads.

    A value that is being made by one thread is waited for by the others; one whose making fails is not
    kept. Making one may ask for another key, not for its own.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._cells: OrderedDict[Hashable, _Cell] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of the key, made now if it is not kept."""
        with self._lock:
            cell = self._cells.get(key)
            if cell is None:
                cell = self._cells[key] = _Cell()
                while len(self._cells) > self._size:
                    self._cells.popitem(last=False)
            else:
                self._cells.move_to_end(key)
        if not cell.made:
            with cell.lock:
                if not cell.made:
                    cell.value = self._made(key, cell, make)
                    cell.made = True
        value: T = cell.value
        return value

    def _made(self, key: Hashable, cell: _Cell, make: Callable[[], T]) -> T:
        try:
            return make()
        except BaseException:
            with self._lock:
                if self._cells.get(key) is cell:
                    del self._cells[key]
            raise
