"""What models of deals and of contracts go through alike: the gate, the champion's copy, what is logged."""

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from models.arrays import FloatArray
from models.audit import AuditReport
from models.evaluation import Evaluation
from models.promotion import decide, headline, promote, reject
from models.registry import CHAMPION, RegistryUnreachableError, Store, alias_version, fetch, load_champion
from models.win_model import OtherFormatError, WinModel
from pipelines.job import Job
from pipelines.steps import View

__all__ = ["judge_version", "read_champion", "training_parameters"]

T = TypeVar("T")

_TIMED_ROWS = 500


def judge_version(
    job: Job, store: Store, version: str, chance: WinModel, evaluation: Evaluation, test: pa.Table,
    champion_p: Callable[[Path], FloatArray],
) -> tuple[bool, tuple[str, ...]]:  # fmt: skip
    """Hold a registered version against the champion on the same test rows; make it champion if it wins.

    chance: the version's own model. champion_p: the probabilities of these rows by the model in a folder.
    Returns whether it was promoted, and why. Raises RegistryUnreachableError if the registry is away.
    """
    current = alias_version(store, CHAMPION)
    others = None
    if current is not None:
        # a champion of another format cannot be compared with: the trained model then stands for itself
        with suppress(OtherFormatError):
            others = champion_p(fetch(store, current).folder)
    gap, seconds = _guard_figures(chance, test)
    decision = decide(
        evaluation,
        champion_p=others,
        additivity_gap=gap,
        seconds_per_row=seconds,
        seed=job.settings.seed,
    )
    note_it = partial(
        promote if decision.promote else reject,
        store,
        version,
        reasons=decision.reasons,
        headline=headline(evaluation),
        run_id=job.run_id,
        at=job.now,
    )
    if decision.promote:
        note_it(expected_champion=current)
    else:
        note_it()
    return decision.promote, decision.reasons


def read_champion(store: Store, load: Callable[[Path], T], called: str) -> tuple[T | None, tuple[str, ...]]:
    """The champion from its verified copy, with a warning if the registry is away.

    None if there is none, or, with a warning, if another version of dealcast wrote it. called: what it is
    named in that warning.
    """
    try:
        found = load_champion(store)
    except RegistryUnreachableError as error:
        return None, (str(error),)
    if found is None:
        return None, ()
    try:
        model = load(found.folder)
    except OtherFormatError as error:
        return None, (f"The {called} cannot be read, so it does not serve: {error}",)
    return model, (found.degraded,) if found.degraded else ()


def training_parameters(job: Job, view: View, chance: WinModel, audited: AuditReport) -> dict[str, Any]:
    """What decided a model, as plain values."""
    settings = job.settings
    return {
        "as_of": view.as_of.isoformat(),
        "mapping": settings.mapping,
        "seed": settings.seed,
        "n_trials": settings.n_trials,
        "features": len(chance.feature_names),
        "audit_dropped": ", ".join(audited.dropped),
        "audit_waived": ", ".join(audited.waived),
        **{name: chance.trained[name] for name in ("deal_power", "rounds")},
        **{f"shape.{name}": value for name, value in chance.trained["shape"].items()},
    }


def _guard_figures(chance: WinModel, frame: pa.Table) -> tuple[float, float]:
    """The largest gap between explanations and log-odds, and seconds to score and explain a row."""
    few = frame.slice(0, _TIMED_ROWS)
    if not few.num_rows:
        return 0.0, 0.0
    started = time.perf_counter()
    base, parts = chance.contributions(few)
    seconds = (time.perf_counter() - started) / few.num_rows
    return float(np.abs(base + parts.sum(axis=1) - chance.log_odds(few)).max()), seconds
