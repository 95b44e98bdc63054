"""Following `published/CURRENT`: a new run is read beside the old one, then one reference is replaced."""

import gc
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from data.errors import PublishError
from serving.live.held import HeldRun, hold
from serving.published import current_run_id

__all__ = ["Live", "LiveState", "NothingPublishedError"]

_LOG = logging.getLogger("dealcast.serve")
_POLL_SECONDS = 1.0
_LONGEST_PAUSE = 32
"""Polls to sit out, at most, before a run that could not be read is tried again."""


class NothingPublishedError(PublishError):
    """There is no run to answer from."""


@dataclass(frozen=True)
class LiveState:
    """What is held, and what is wrong with what the pointer names now.

    run_id: the run that answers, None if there is none. pointer: what the pointer names, None if it
    cannot be read. problem: why the pointer's run does not answer (may name files; for operators only).
    """

    run_id: str | None
    pointer: str | None
    problem: str | None


class Live:
    """The published run of a workspace, kept current.

    `run()` gives the run to answer from; a request takes it once and uses nothing else. `start` begins a
    thread that looks at the pointer every second or so; `check` looks now, in the caller's thread.
    """

    def __init__(self, workspace: Path, *, poll_seconds: float = _POLL_SECONDS) -> None:
        self.workspace = workspace
        self._poll_seconds = poll_seconds
        self._held: HeldRun | None = None
        self._state = LiveState(None, None, None)
        self._failures = 0
        self._pause = 0
        self._replaced = False
        self._tell: Callable[[HeldRun], tuple[str, ...]] = lambda run: ()
        self._checking = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def run(self) -> HeldRun:
        """The run to answer from. Raises NothingPublishedError, with the remedy, while there is none."""
        held = self._held
        if held is None and (self._thread is None or self._state.pointer is None):
            self.check()  # else the thread is at it, and requests need not read a broken run again
            held = self._held
        if held is None:
            raise NothingPublishedError(
                "Nothing is published in this workspace yet. "
                "Publish with `dealcast run --source DIR --mapping NAME --workspace DIR`; "
                "this page shows it as soon as it is there."
            )
        return held

    def tell(self, notices: Callable[[HeldRun], tuple[str, ...]]) -> None:
        """Have `HeldRun.notices` say what this gives, and also if a newer run cannot be read."""
        self._tell = notices

    def state(self) -> LiveState:
        """What is held, and what is wrong with what the pointer names."""
        return self._state

    def start(self) -> None:
        """Load what is published and begin to watch. Does nothing if it watches already."""
        if self._thread is not None and self._thread.is_alive():
            return
        self._stopped.clear()
        self.check()
        self._thread = threading.Thread(target=self._watch, name="published-run", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the watching; the run that is held stays."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout=10)
            self._thread = None

    def check(self) -> None:
        """Look at the pointer now, and take over the run it names if that is another and whole."""
        with self._checking:
            self._look()

    def _watch(self) -> None:
        """The thread: first let the first requests pass, then decode what later ones need, then follow."""
        is_warm = False
        while not self._stopped.wait(self._poll_seconds):
            if not is_warm and self._held is not None:
                is_warm = True
                self._warm(self._held)
            if self._replaced:
                self._replaced = False
                # what was worked out for a run refers to it, so only a collection frees the one before
                gc.collect()
                pa.default_memory_pool().release_unused()
            if self._pause > 0:
                self._pause -= 1
                continue
            self.check()

    def _look(self) -> None:
        held, pointer = self._held, None
        try:
            pointer = current_run_id(self.workspace)
            if held is not None and pointer == held.run_id:
                self._failures = 0
                self._state = LiveState(held.run_id, pointer, None)
            elif pointer is None:
                self._failed(
                    None, "the pointer published/CURRENT is absent" if held else "nothing is published"
                )
            else:
                self._take(pointer)
        except Exception as error:  # whatever is wrong with what is new, what is held goes on
            self._failed(pointer, str(error) or type(error).__name__)

    def _take(self, pointer: str) -> None:
        """Read the run that the pointer names beside the one held, then put it in its place."""
        run = hold(self.workspace, pointer, told=self._notices)
        run.deals  # noqa: B018 - a run whose deals cannot be listed is not taken
        if self._held is not None:
            self._warm(run)
            self._replaced = True
        self._held = run
        self._failures = 0
        self._state = LiveState(pointer, pointer, None)
        _LOG.info("run taken over", extra={"fields": {"run_id": pointer, "deals": len(run.deals)}})

    def _notices(self, run: HeldRun) -> tuple[str, ...]:
        told = self._tell(run)
        if run is self._held and self._state.problem is not None:
            return (*told, "A newer run was published but cannot be read; these are the figures before it.")
        return told

    def _failed(self, pointer: str | None, problem: str) -> None:
        held = self._held
        if problem != self._state.problem and (held or pointer):
            _LOG.warning(
                "published run not taken", extra={"fields": {"pointer": pointer, "problem": problem}}
            )
        self._failures += 1
        self._pause = min(2 ** min(self._failures - 1, 8) - 1, _LONGEST_PAUSE) if pointer else 0
        self._state = LiveState(held.run_id if held else None, pointer, problem)

    def _warm(self, run: HeldRun) -> None:
        """Decode ahead of the first requests; a table that cannot be is a problem of whoever asks for it."""
        try:
            run.warm()
        except Exception as error:
            _LOG.warning("run not warmed", extra={"fields": {"run_id": run.run_id, "problem": str(error)}})
