"""Which features know the outcome they should predict.

Run on training rows only, before training: the final test must not decide what is learnt. Three
checks, each against a threshold: the feature's value alone, its mere presence, and (for columns whose
present value stands in for their history) being filled far more often in closed deals than in open ones.

A feature is named when the lower end of the one-sided 99 % interval of its figure lies above the
threshold, so that few deals cannot accuse a clean column by chance. Intervals count deals, not rows.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from data.errors import ModelContractError
from features.feature import Feature
from models.arrays import BoolArray, FloatArray, deal_codes, micros
from models.baselines import column_numbers, column_texts
from models.metrics import auc

__all__ = ["AuditReport", "Finding", "audit", "present_values"]

Check = Literal["single_feature_auc", "presence_auc", "fill_rate_jump"]

_Z = 2.326
"""The one-sided 99 % point of the normal distribution."""
_DEALS_AT_LEAST = 10
_PRESENT_VALUES = ("type", "lead_source")


@dataclass(frozen=True)
class Finding:
    """One feature that failed one check. figure and bound exceed threshold; bound is its lower end."""

    feature: str
    check: Check
    figure: float
    bound: float
    threshold: float
    evidence: str
    remedy: str
    waived: bool


@dataclass(frozen=True)
class AuditReport:
    """What was found; `dropped` leaves training, waived findings stay; `notes` says what was not checked."""

    findings: tuple[Finding, ...]
    checked: int
    notes: tuple[str, ...]

    @property
    def dropped(self) -> tuple[str, ...]:
        """Names of the features to leave out, sorted."""
        return tuple(sorted({f.feature for f in self.findings if not f.waived}))

    @property
    def waived(self) -> tuple[str, ...]:
        """Names of the features that failed but were allowed by name, sorted."""
        return tuple(sorted({f.feature for f in self.findings if f.waived}))

    def as_dict(self) -> dict[str, Any]:
        """What audit.json holds."""
        return {
            "schema_version": 1,
            "dropped": list(self.dropped),
            "waived": list(self.waived),
            "checked": self.checked,
            "findings": [asdict(finding) for finding in self.findings],
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class _Rows:
    """Training rows as the checks need them; `later` marks the deals on which categories are tested."""

    y: FloatArray
    weight: FloatArray
    deal: Any
    later: BoolArray


def present_values(features: Sequence[Feature]) -> tuple[str, ...]:
    """Features whose value may be today's instead of that at as_of: custom fields, type, lead source.

    A CRM keeps no history of these, so a closed deal shows what was filled in at its close.
    """
    return tuple(f.name for f in features if f.family == "custom" or f.name in _PRESENT_VALUES)


def audit(
    frame: pa.Table,
    y: FloatArray,
    *,
    weight: FloatArray,
    features: Sequence[Feature],
    open_frame: pa.Table,
    max_auc: float = 0.90,
    max_fill_jump: float = 0.3,
    allow: Collection[str] = (),
) -> AuditReport:
    """Findings among the features of training rows, in the catalogue's order.

    frame, y (0 or 1), weight: training rows of known outcome. open_frame: rows of the deals open at
    the cut-off. max_auc: 0.5 to 1; max_fill_jump: a difference of shares, 0 to 1. allow: names that
    stay in spite of a finding. Raises ModelContractError if lengths differ.
    """
    if not frame.num_rows == len(y) == len(weight):
        raise ModelContractError(
            f"Audit: expected one label and one weight per row, found {frame.num_rows} rows, {len(y)} labels "
            f"and {len(weight)} weights. Give the labelled training rows alone."
        )
    used = [feature for feature in features if feature.name in frame.column_names]
    rows = _rows(frame, y, weight)
    findings: list[Finding] = []
    notes: list[str] = []
    if _too_few(rows):
        notes.append(
            f"Values were not audited: fewer than {_DEALS_AT_LEAST} won or {_DEALS_AT_LEAST} lost deals."
        )
    else:
        for feature in used:
            findings += _value_findings(frame, feature, rows, max_auc, feature.name in allow)
    current = present_values(used)
    n_open = len(np.unique(deal_codes(open_frame)))
    n_closed = len(np.unique(rows.deal))
    if min(n_open, n_closed) < _DEALS_AT_LEAST:
        notes.append(f"Fill rates were not compared: {n_closed} closed and {n_open} open deals.")
    else:
        for name in current:
            findings += _fill_findings(frame, open_frame, name, max_fill_jump, name in allow)
    order = {feature.name: i for i, feature in enumerate(used)}
    return AuditReport(tuple(sorted(findings, key=lambda f: order[f.feature])), len(used), tuple(notes))


def _rows(frame: pa.Table, y: FloatArray, weight: FloatArray) -> _Rows:
    deal = deal_codes(frame)
    if not len(deal):
        return _Rows(y, weight, deal, np.zeros(0, dtype=np.bool_))
    first = np.full(int(deal.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, deal, micros(frame["as_of"]))
    # by rank, so that half of the deals are later even where many began at one instant
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first))
    return _Rows(y, weight, deal, np.asarray(rank >= len(first) // 2)[deal])


def _too_few(rows: _Rows) -> bool:
    return min(_deals(rows, np.ones(len(rows.y), dtype=np.bool_))) < _DEALS_AT_LEAST


def _deals(rows: _Rows, chosen: BoolArray) -> tuple[int, int]:
    """Deals won and lost among the chosen rows."""
    won = rows.y > 0.5
    return len(np.unique(rows.deal[chosen & won])), len(np.unique(rows.deal[chosen & ~won]))


def _value_findings(
    frame: pa.Table, feature: Feature, rows: _Rows, max_auc: float, waived: bool
) -> list[Finding]:
    """The value's own AUC, and that of being there at all."""
    every = np.ones(len(rows.y), dtype=np.bool_)
    if feature.kind == "category":
        filled = np.asarray(frame[feature.name].is_valid().to_numpy(zero_copy_only=False), dtype=np.bool_)
        value, tested = _category_auc(column_texts(frame, feature.name), rows), rows.later
    else:
        numbers = column_numbers(frame, feature.name)
        filled = np.isfinite(numbers)
        value, tested = _number_auc(numbers, rows, every), every
    presence = _two_sided_auc(filled.astype(np.float64), rows, every)
    share = f"{filled.mean():.0%} of training rows filled"
    found = []
    checks: tuple[tuple[Check, float, BoolArray, str], ...] = (
        ("single_feature_auc", value, tested, "the value alone ranks won above lost deals (or below)"),
        ("presence_auc", presence, every, "being filled or empty alone tells won from lost deals"),
    )
    for check, figure, chosen, says in checks:
        won, lost = _deals(rows, chosen)
        bound = _auc_lower(figure, won, lost)
        if bound > max_auc:
            words = f"{says}: AUC {figure:.3f} on {won} won and {lost} lost deals; {share}"
            found.append(_finding(feature.name, check, figure, bound, max_auc, words, waived))
    return found


def _number_auc(x: FloatArray, rows: _Rows, chosen: BoolArray) -> float:
    """The two-sided AUC of a number, null ranked below all values or above, whichever tells more."""
    if not np.isfinite(x).any():
        return 0.5
    return max(_two_sided_auc(np.where(np.isfinite(x), x, end), rows, chosen) for end in (-np.inf, np.inf))


def _category_auc(texts: Any, rows: _Rows) -> float:
    """The AUC, on the later half of deals, of each level's share won on the earlier half.

    Estimated and tested apart, since a column of nearly as many levels as deals would else seem to
    know everything. Levels are pulled to the mean by the weight of one average row; unseen ones are the mean.
    """
    early = ~rows.later
    if not early.any() or not rows.later.any():
        return 0.5
    levels, code = np.unique(texts.astype(str), return_inverse=True)
    n, pull = len(levels), float(rows.weight.mean())
    mean = (
        float(np.average(rows.y[early], weights=rows.weight[early])) if rows.weight[early].sum() > 0 else 0.5
    )
    won = np.bincount(code[early], (rows.weight * rows.y)[early], n)
    total = np.bincount(code[early], rows.weight[early], n)
    rate = (won + pull * mean) / (total + pull)
    return _two_sided_auc(rate[code], rows, rows.later)


def _two_sided_auc(x: FloatArray, rows: _Rows, chosen: BoolArray) -> float:
    """max(AUC, 1 - AUC) over the chosen rows; 0.5 where there is none."""
    if not chosen.any() or rows.weight[chosen].sum() <= 0:
        return 0.5
    # ranks stand in for values, so that infinite ones are no matter
    _, rank = np.unique(x[chosen], return_inverse=True)
    found = auc(rows.y[chosen], rank.astype(np.float64), rows.weight[chosen])
    return 0.5 if found is None else max(found, 1 - found)


def _auc_lower(value: float, won: int, lost: int) -> float:
    """The lower end of the one-sided 99 % interval of an AUC of so many deals.

    Source: Hanley and McNeil (1982).
    """
    if min(won, lost) < 2:
        return 0.5
    # half a pair's worth of doubt keeps the error above zero where the separation is perfect
    a = min(value, 1 - 0.5 / (won * lost))
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    variance = (a * (1 - a) + (won - 1) * (q1 - a * a) + (lost - 1) * (q2 - a * a)) / (won * lost)
    return a - _Z * float(np.sqrt(max(variance, 0.0)))


def _fill_findings(
    frame: pa.Table, open_frame: pa.Table, name: str, max_jump: float, waived: bool
) -> list[Finding]:
    """Filled in closed deals and empty in open ones: filled at close, so unknown when it would be needed."""
    (closed, n_closed), (open_, n_open) = _fill_share(frame, name), _fill_share(open_frame, name)
    # Agresti and Caffo (2000): one row of each kind added to each share keeps the error honest at 0 and 1
    shares = [((s * n + 1) / (n + 2), n + 2) for s, n in ((closed, n_closed), (open_, n_open))]
    error = float(np.sqrt(sum(s * (1 - s) / n for s, n in shares)))
    jump = closed - open_
    bound = shares[0][0] - shares[1][0] - _Z * error
    if bound <= max_jump:
        return []
    words = (
        f"filled in {closed:.0%} of {n_closed} deals that closed later, "
        f"but in {open_:.0%} of {n_open} deals open at the cut-off"
    )
    return [_finding(name, "fill_rate_jump", jump, bound, max_jump, words, waived)]


def _fill_share(frame: pa.Table, name: str) -> tuple[float, int]:
    """The share of deals with a value (each deal's own share of rows, averaged), and how many deals."""
    deal = deal_codes(frame)
    if name in frame.column_names:
        filled = np.asarray(frame[name].is_valid().to_numpy(zero_copy_only=False), dtype=np.float64)
    else:
        filled = np.zeros(frame.num_rows)
    by_deal = np.bincount(deal, filled) / np.bincount(deal)
    return float(by_deal.mean()), len(by_deal)


def _finding(
    name: str, check: Check, figure: float, bound: float, threshold: float, evidence: str, waived: bool
) -> Finding:
    remedy = (
        "Allowed by name; make sure that the value was known at each as_of."
        if waived
        else "Left out. If the value is truly known while deals are open, map its history as "
        "opportunity_changes, or allow it by name."
    )
    return Finding(name, check, float(figure), float(bound), threshold, evidence, remedy, waived)
