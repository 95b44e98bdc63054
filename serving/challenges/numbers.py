"""The model's number beside the challenger's: with a factor set aside, or with its value corrected."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from data.errors import UsageError
from models.calibration import sigmoid
from models.encoding import OTHER
from serving.feature_facts import feature_facts
from serving.live import HeldRun
from serving.what_if import rescored

__all__ = ["Numbers", "checked_correction", "factor_value", "numbers_corrected", "numbers_set_aside"]

_FEATURES, _CONTRIBUTIONS = "win_features.parquet", "win_contributions.parquet"
_LARGEST = 1e12
_SHOWN_LEVELS = 20
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Numbers:
    """A deal's log-odds of winning, as published and as challenged."""

    log_odds_model: float
    log_odds_challenged: float

    @property
    def p_model(self) -> float:
        """The published probability, 0 to 1."""
        return float(sigmoid(np.array([self.log_odds_model]))[0])

    @property
    def p_challenged(self) -> float:
        """The probability as challenged, 0 to 1."""
        return float(sigmoid(np.array([self.log_odds_challenged]))[0])


def factor_value(run: HeldRun, rank: int, feature: str) -> Any:
    """The feature's published value for the deal at that place of the ranking."""
    return run.table(_FEATURES)[feature][int(run.deals.published[rank])].as_py()


def numbers_set_aside(run: HeldRun, rank: int, feature: str) -> Numbers:
    """With the factor's contribution taken out of the log-odds, all others as they are."""
    held = float(run.deals.log_odds[rank])
    part = run.table(_CONTRIBUTIONS)[feature][int(run.deals.published[rank])].as_py()
    return Numbers(held, held - float(part))


def numbers_corrected(run: HeldRun, rank: int, feature: str, value: Any) -> Numbers:
    """With the deal scored again by the model, the feature at this value.

    What the model works out from it follows; all other features stay as they are. Raises UsageError, with
    the reason, where the run's model cannot be asked.
    """
    if run.model() is None:
        raise UsageError(
            f"{feature}: a corrected value cannot be scored here: {run.model_problem}. Dispute the factor "
            "without a value instead."
        )
    return Numbers(*rescored(run, run.deals.ids[rank], {feature: value}))


def checked_correction(run: HeldRun, feature: str, value: Any) -> int | float | bool | str:
    """The value as the feature holds it; texts, as forms send them, are read.

    Raises UsageError that says what is expected.
    """
    kind = _kind(run, feature)
    if kind == "category":
        return _level(run, feature, value)
    if isinstance(value, str):
        value = _read(value.strip().lower(), kind)
    if kind == "flag" and isinstance(value, bool):
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind != "flag" and is_number and abs(value) <= _LARGEST:
        if kind == "number":
            return float(value)
        if value == int(value) and value >= 0:
            return int(value)
    expected = {"flag": "true or false", "count": "a whole number from 0", "number": "a number"}[kind]
    raise UsageError(f"{feature}: expected {expected}, found {str(value)[:40]!r}.")


def _kind(run: HeldRun, feature: str) -> str:
    """number, count, flag or category: by the catalogue, else by how the run holds it."""
    fact = feature_facts(run).get(feature)
    if fact is not None:
        return fact.kind
    held = run.table(_FEATURES).schema.field(feature).type
    if pa.types.is_boolean(held):
        return "flag"
    if pa.types.is_integer(held):
        return "count"
    return "number" if pa.types.is_floating(held) else "category"


def _level(run: HeldRun, feature: str, value: Any) -> str:
    model = run.model()
    column = next((one for one in model.encoder.columns if one.name == feature), None) if model else None
    known = [level for level in column.levels if level != OTHER] if column else []
    if isinstance(value, str) and (value in known or not known):
        return value
    shown = ", ".join(known[:_SHOWN_LEVELS]) + ", …" * (len(known) > _SHOWN_LEVELS)
    raise UsageError(f"{feature}: expected one of {shown}, found {str(value)[:40]!r}.")


def _read(text: str, kind: str) -> Any:
    """The value that a form's text stands for; the text itself where it is none."""
    if kind == "flag":
        return _FLAGS.get(text, text)
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return text
