"""Telling a waiting user what a run is doing: a live line on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.status import Status
from rich.text import Text

from serving.text import printable

__all__ = ["Progress", "Say", "silent"]

_PLAIN_EVERY_SECONDS = 1.0
"""Where nobody looks at a live line, details come no oftener than this; stages come all."""

Say = Callable[[str], None]
"""Takes one line about what is being done."""


def silent(_: str) -> None:
    """A Say for callers who do not listen."""


class Progress:
    """Stages of a run on a console (standard error): each is named when it begins.

    Used as a context manager, so that a live line never outlives the work. `seconds` gets the wall
    time of each stage, in the order of the stages.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None
        self._live = console.is_terminal
        self._detailed_at = 0.0
        self.seconds: dict[str, float] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rest()

    @contextmanager
    def stage(self, name: str) -> Iterator[Say]:
        """One stage; the value tells more about it while it lasts."""
        started = time.perf_counter()
        self._show(f"{name} …")
        try:
            yield lambda detail: self._show(f"{name}: {detail}", detail=True)
        finally:
            self.seconds[name] = time.perf_counter() - started
            self._rest()
        if self._live:
            self._console.print(Text.assemble(("✓ ", "green"), f"{name} ({self.seconds[name]:.1f} s)"))

    def say(self, line: str) -> None:
        """A line that stays."""
        self._rest()
        self._console.print(Text(line))

    def _show(self, line: str, *, detail: bool = False) -> None:
        text = Text(printable(line))
        if not self._live:
            now = time.monotonic()
            if detail and now - self._detailed_at < _PLAIN_EVERY_SECONDS:
                return
            self._detailed_at = now
            self._console.print(Text("  ") + text if detail else text, soft_wrap=True)
        elif self._status is None:
            self._status = self._console.status(text)
            self._status.start()
        else:
            self._status.update(text)

    def _rest(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None
