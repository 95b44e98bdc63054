"""Promotion: which model serves. A written rule decides, a ledger remembers, one alias moves.

Order of a move: compare the champion with the one that was expected, write the ledger line, move the
alias. A process killed between the last two leaves a line without its move, which `reconcile` finishes
(or, if that model no longer verifies, undoes) at the next start.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import ModelContractError
from models.arrays import FloatArray
from models.baselines import column_numbers
from models.evaluation import Evaluation
from models.ledger import LEDGER_FILE, Action, Entry, append, locked, read_ledger
from models.metrics import Resampling, log_loss_difference
from models.registry import CHAMPION, RegistryUnreachableError, Store, alias_version, fetch, move_alias

__all__ = [
    "Bounds",
    "Decision",
    "decide",
    "headline",
    "ledger_path",
    "promote",
    "reconcile",
    "reject",
    "rollback",
]


@dataclass(frozen=True)
class Bounds:
    """What a model must keep to, whatever its log-loss.

    slope: range its calibration slope's interval must reach; ece: a calibration error that is enough
    instead. additivity: largest |base + Σ contributions - log-odds|. seconds_per_row: scoring time.
    """

    slope: tuple[float, float] = (0.7, 1.3)
    ece: float = 0.03
    additivity: float = 1e-6
    seconds_per_row: float = 0.02


@dataclass(frozen=True)
class Decision:
    """Whether to promote, and why (or why not), in sentences."""

    promote: bool
    reasons: tuple[str, ...]


def decide(
    challenger: Evaluation,
    *,
    champion_p: FloatArray | None,
    additivity_gap: float,
    seconds_per_row: float,
    bounds: Bounds | None = None,
    seed: int = 0,
) -> Decision:
    """Judge a challenger on its out-of-time rows.

    champion_p: the champion's probabilities for exactly the rows of `challenger.predictions`; None if
    there is no champion, or it cannot be scored. Without one the challenger must beat the plain baselines
    (of a win model, base rate and stage probability); with one it must also have a lower log-loss by more
    than noise (the 5 % point of the difference over draws of deals lies above 0). Raises
    ModelContractError if lengths differ.
    """
    broken = _broken_guards(challenger, additivity_gap, seconds_per_row, bounds or Bounds())
    if broken:
        return Decision(False, broken)
    if not challenger.claims_skill:
        return Decision(False, (str(challenger.document["headline"]),))
    if champion_p is None:
        return Decision(True, (f"It beats {challenger.plain_baselines}, and there is no champion to beat.",))
    return _against_champion(challenger, champion_p, seed)


def headline(evaluation: Evaluation) -> dict[str, Any]:
    """The few figures a ledger line keeps."""
    scores = evaluation.scores
    kept = {name: scores[name] for name in ("auc", "log_loss", "brier", "ece")}
    return {**kept, "test_rows": evaluation.document["test"]["rows"], "claims_skill": evaluation.claims_skill}


def ledger_path(store: Store) -> Path:
    """The workspace's ledger."""
    return store.workspace / LEDGER_FILE


def promote(
    store: Store,
    version: str,
    *,
    expected_champion: str | None,
    reasons: tuple[str, ...],
    headline: dict[str, Any],
    run_id: str,
    at: datetime,
) -> None:
    """Make a version the champion, if the champion is still the one it was compared with.

    Raises ModelContractError if another version became champion meanwhile, or if the version's files
    do not verify; nothing has changed then.
    """
    with locked(ledger_path(store)):
        _reconcile(store, at, run_id)
        current = alias_version(store, CHAMPION)
        if current != expected_champion:
            raise ModelContractError(
                f"Promotion of version {version}: expected champion {expected_champion or 'none'}, found "
                f"{current or 'none'}. Another run promoted meanwhile; evaluate against it again."
            )
        fetch(store, version)
        _move(store, "promote", current, version, version, reasons, headline, run_id, at)


def reject(
    store: Store,
    version: str,
    *,
    reasons: tuple[str, ...],
    headline: dict[str, Any],
    run_id: str,
    at: datetime,
) -> None:
    """Note that a version was not promoted, and why; the champion stays."""
    with locked(ledger_path(store)):
        _reconcile(store, at, run_id)
        current = alias_version(store, CHAMPION)
        entry = Entry(_iso(at), "reject", current, current, version, reasons, headline, run_id, store.name)
        append(ledger_path(store), entry)


def rollback(store: Store, *, reason: str, run_id: str, at: datetime) -> str:
    """Return to the champion before the present one; returns its version.

    Rolling back twice goes two champions back. Raises ModelContractError if there is no earlier one.
    """
    with locked(ledger_path(store)):
        _reconcile(store, at, run_id)
        champions = _champions(_entries(store))
        if len(champions) < 2 or champions[-2] is None:
            raise ModelContractError(
                f"{ledger_path(store)}: {_before(store.name, champions)}; there is nothing to roll back to. "
                "Promote another version instead."
            )
        target = champions[-2]
        fetch(store, target)
        _move(store, "rollback", champions[-1], target, target, (reason,), {}, run_id, at)
        return target


def _before(model: str, champions: Sequence[str | None]) -> str:
    last = champions[-1] if champions else None
    return f"model {model!r} had no champion {f'before version {last}' if last else 'yet'}"


def reconcile(store: Store, *, at: datetime, run_id: str) -> str | None:
    """Bring ledger and alias together after a crash; says what was done, None if nothing was.

    Call it at the start of every run. Raises RegistryUnreachableError if the registry is away.
    """
    with locked(ledger_path(store)):
        return _reconcile(store, at, run_id)


def _reconcile(store: Store, at: datetime, run_id: str) -> str | None:
    entries = _entries(store)
    if not entries and store.database is not None and not store.database.exists():
        return None
    actual = alias_version(store, CHAMPION)
    last = entries[-1] if entries else None
    meant = last.to_version if last else None
    if actual == meant:
        return None
    unfinished = last is not None and last.action in ("promote", "rollback") and actual == last.from_version
    if last is None or meant is None or not unfinished:
        return _note(store, "external", meant, actual, "the alias was moved by other means", run_id, at)
    try:
        fetch(store, meant)
    except ModelContractError as error:
        return _note(store, "undo", meant, actual, f"version {meant} does not verify: {error}", run_id, at)
    move_alias(store, CHAMPION, meant)
    return f"Finished the {last.action} of version {meant} that was cut short at {last.at}."


def _entries(store: Store) -> tuple[Entry, ...]:
    """The ledger's lines on the model that the store is about."""
    return tuple(entry for entry in read_ledger(ledger_path(store)) if entry.model == store.name)


def _note(
    store: Store,
    action: Action,
    before: str | None,
    after: str | None,
    reason: str,
    run_id: str,
    at: datetime,
) -> str:
    entry = Entry(_iso(at), action, before, after, before, (reason,), {}, run_id, store.name)
    append(ledger_path(store), entry)
    return f"Champion is version {after or 'none'} instead of {before or 'none'}: {reason}."


def _move(
    store: Store,
    action: Action,
    before: str | None,
    after: str,
    candidate: str,
    reasons: tuple[str, ...],
    figures: dict[str, Any],
    run_id: str,
    at: datetime,
) -> None:
    entry = Entry(_iso(at), action, before, after, candidate, reasons, figures, run_id, store.name)
    append(ledger_path(store), entry)
    try:
        move_alias(store, CHAMPION, after)
    except RegistryUnreachableError as error:
        # the line stays: it tells reconcile what was meant
        raise RegistryUnreachableError(
            f"{error} The {action} of version {after} is in the ledger; the next start finishes it."
        ) from error


def _champions(entries: tuple[Entry, ...]) -> list[str | None]:
    """The champions that stand one above the other: promotions add one, rollbacks take one away."""
    stack: list[str | None] = []
    for entry in entries:
        if entry.action == "rollback" or (entry.action == "undo" and stack[-1:] == [entry.from_version]):
            stack = stack[:-1]
        if not stack or stack[-1] != entry.to_version:
            stack = [*stack, entry.to_version]
    return stack


def _against_champion(challenger: Evaluation, champion_p: FloatArray, seed: int) -> Decision:
    table = challenger.predictions
    if len(champion_p) != table.num_rows:
        raise ModelContractError(
            f"Champion's predictions: expected {table.num_rows}, one per test row, found {len(champion_p)}. "
            "Score exactly the challenger's test rows."
        )
    if not np.isfinite(champion_p).all():
        return Decision(True, ("The champion's predictions on the same rows are not finite.",))
    y, weight = (column_numbers(table, name) for name in ("y", "weight"))
    drawn = Resampling.over(challenger.units, seed=seed)
    found = log_loss_difference(y, challenger.probabilities, champion_p, weight, drawn)
    gain, bound = found["difference"], found["lower_bound"]
    figures = f"log-loss lower by {gain:.4f}, and by at least {bound:.4f} in 95 % of draws"
    if bound > 0:
        return Decision(True, (f"Better than the champion on the same rows by more than noise: {figures}.",))
    return Decision(False, (f"Not better than the champion on the same rows by more than noise: {figures}.",))


def _broken_guards(
    challenger: Evaluation, additivity_gap: float, seconds_per_row: float, bounds: Bounds
) -> tuple[str, ...]:
    p = challenger.probabilities
    if not len(p):
        return ("There are no test rows of known outcome to judge it by.",)
    if not np.isfinite(p).all() or p.min() < 0 or p.max() > 1:
        return ("Some of its predictions are not probabilities (not finite, or outside 0 to 1).",)
    found = []
    if np.ptp(p) < 1e-9:
        found.append(f"It gives every {challenger.case} the same probability, {p[0]:.4f}.")
    elif (why := _miscalibrated(challenger.scores, bounds)) is not None:
        found.append(why)
    if not additivity_gap <= bounds.additivity:
        found.append(
            f"Its explanations miss the log-odds by {additivity_gap:.2g}; allowed: {bounds.additivity:.0e}."
        )
    if not seconds_per_row <= bounds.seconds_per_row:
        found.append(f"Scoring takes {seconds_per_row:.3g} s a row; allowed: {bounds.seconds_per_row} s.")
    return tuple(found)


def _miscalibrated(scores: dict[str, Any], bounds: Bounds) -> str | None:
    """A reason, if both the slope (beyond its noise) and the calibration error are out of bounds."""
    low, high = bounds.slope
    slope, interval = scores["slope"], scores["slope_interval"]
    if slope is not None:
        reach = interval or (slope, slope)
        if reach[0] <= high and reach[1] >= low:
            return None
    if scores["ece"] is not None and scores["ece"] <= bounds.ece:
        return None
    said = "none" if slope is None else f"{slope:.2f}"
    return (
        f"Calibration is out of bounds: slope {said} (allowed {low} to {high}) and calibration error "
        f"{scores['ece']:.3f} (allowed {bounds.ece})."
    )


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
