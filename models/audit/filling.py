"""Checks of when a field is filled: present values that closed deals have and open deals lack."""

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from features.feature import Feature
from models.arrays import BoolArray, FloatArray, IntArray, deal_codes, micros
from models.audit.findings import Finding, finding
from models.audit.separation import DEALS_AT_LEAST, Z
from models.baselines import column_numbers, column_texts

__all__ = ["fill_findings", "n_deals", "present_values"]

_PRESENT_VALUES = ("type", "lead_source")
_MAX_SET_JUMP = 0.5
"""Values drift and differ between quick and slow deals more than filling does, so they get more room."""
_MONTH_US = 30 * 86_400_000_000


def present_values(features: Sequence[Feature]) -> tuple[str, ...]:
    """Features whose value may be today's instead of that at as_of: custom fields, type, lead source.

    A CRM keeps no history of these, so a closed deal shows what was filled in at its close.
    """
    return tuple(f.name for f in features if f.family == "custom" or f.name in _PRESENT_VALUES)


def n_deals(frame: pa.Table) -> int:
    """Deals in a frame."""
    return len(np.unique(deal_codes(frame)))


def fill_findings(
    frame: pa.Table, open_frame: pa.Table, closed_frame: pa.Table, feature: Feature, max_jump: float
) -> list[Finding]:
    """Filled, or set to something, in closed deals but not in open ones: unknown when it would be needed.

    frame: training rows. closed_frame: rows of all closed deals, the newest too, which are compared with
    open deals of their month, since a field that a team began or ceased to use differs between old closed
    and young open deals as well. Outcomes are not looked at.
    """
    name = feature.name
    shares = [_by_deal(each, _filled(each, name)) for each in (frame, open_frame)]
    jump, bound = _jump(*shares)
    if bound > max_jump:
        alike = _in_cohorts(closed_frame, open_frame, lambda each: _filled(each, name))
        if alike is None or alike > max_jump / 2:
            said = (
                f"filled in {shares[0].mean():.0%} of {len(shares[0])} deals that closed later, "
                f"but in {shares[1].mean():.0%} of {len(shares[1])} deals open at the cut-off"
            )
            return [finding(name, "fill_rate_jump", jump, bound, max_jump, said)]
    return _set_findings(frame, open_frame, closed_frame, feature)


def _set_findings(
    frame: pa.Table, open_frame: pa.Table, closed_frame: pa.Table, feature: Feature
) -> list[Finding]:
    """A flag, a zero or a category that rests at one value in open deals and leaves it at the close."""
    resting = _resting(open_frame, feature)
    if resting is None:
        return []
    shares = [_by_deal(each, _moved(each, feature, resting)) for each in (frame, open_frame)]
    jump, bound = _jump(*shares)
    if bound <= _MAX_SET_JUMP:
        return []
    alike = _in_cohorts(closed_frame, open_frame, lambda each: _moved(each, feature, resting))
    if alike is None or alike <= _MAX_SET_JUMP / 2:
        return []
    shown = {0.0: "not set" if feature.kind == "flag" else "0"}.get(resting, repr(resting))  # type: ignore[arg-type]
    said = (
        f"it is {shown} in {1 - shares[1].mean():.0%} of {len(shares[1])} deals open at the cut-off, "
        f"but in {1 - shares[0].mean():.0%} of {len(shares[0])} deals that closed later"
    )
    return [finding(feature.name, "set_at_close", jump, bound, _MAX_SET_JUMP, said)]


def _resting(open_frame: pa.Table, feature: Feature) -> str | float | None:
    """The value at which open deals rest: the commonest, if it is shared; None where there is none."""
    if feature.name not in open_frame.column_names:
        return None
    if feature.kind != "category":
        numbers = column_numbers(open_frame, feature.name)
        return 0.0 if (numbers == 0).any() else None
    texts = column_texts(open_frame, feature.name).astype(str)
    levels, counts = np.unique(texts[_filled(open_frame, feature.name)], return_counts=True)
    return str(levels[counts.argmax()]) if len(levels) and counts.max() >= DEALS_AT_LEAST else None


def _moved(frame: pa.Table, feature: Feature, resting: str | float) -> BoolArray:
    filled = _filled(frame, feature.name)
    if feature.kind != "category":
        return filled & (column_numbers(frame, feature.name) != resting)
    return filled & (column_texts(frame, feature.name).astype(str) != resting)


def _jump(closed: FloatArray, open_: FloatArray) -> tuple[float, float]:
    """The difference of two mean shares, and its lower bound."""
    # Agresti and Caffo (2000): one deal of each kind added to each share keeps the error honest at 0 and 1
    shares = [((s.sum() + 1) / (len(s) + 2), len(s) + 2) for s in (closed, open_)]
    error = float(np.sqrt(sum(s * (1 - s) / n for s, n in shares)))
    return float(closed.mean() - open_.mean()), float(shares[0][0] - shares[1][0] - Z * error)


def _in_cohorts(
    closed_frame: pa.Table, open_frame: pa.Table, marked: Callable[[pa.Table], BoolArray]
) -> float | None:
    """The same difference among deals that began in the same month; None if too few can be compared."""
    closed, open_ = (_by_deal(each, marked(each)) for each in (closed_frame, open_frame))
    months = [_months(each) for each in (closed_frame, open_frame)]
    total = weights = 0.0
    compared = [0, 0]
    for month in np.intersect1d(months[0], months[1]):
        one, other = closed[months[0] == month], open_[months[1] == month]
        weight = len(one) * len(other) / (len(one) + len(other))
        total += weight * float(one.mean() - other.mean())
        weights += weight
        compared = [compared[0] + len(one), compared[1] + len(other)]
    return total / weights if min(compared) >= DEALS_AT_LEAST else None


def _months(frame: pa.Table) -> IntArray:
    """The month in which each deal began, numbered; in the order of its deals' codes."""
    deal, began = deal_codes(frame), micros(frame["as_of"])
    if "deal_age_days" in frame.column_names:
        age = column_numbers(frame, "deal_age_days")
        began = began - (np.where(np.isfinite(age), age, 0) * 86_400_000_000).astype(np.int64)
    first = np.full(int(deal.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, deal, began)
    return np.asarray(first // _MONTH_US, dtype=np.int64)


def _filled(frame: pa.Table, name: str) -> BoolArray:
    if name not in frame.column_names:
        return np.zeros(frame.num_rows, dtype=np.bool_)
    return np.asarray(frame[name].is_valid().to_numpy(zero_copy_only=False), dtype=np.bool_)


def _by_deal(frame: pa.Table, marked: BoolArray) -> FloatArray:
    """Each deal's share of rows that are marked, in the order of its deals' codes."""
    deal = deal_codes(frame)
    return np.asarray(np.bincount(deal, marked) / np.bincount(deal), dtype=np.float64)
