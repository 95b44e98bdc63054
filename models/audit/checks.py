"""All checks of features, run over training rows before anything is learnt from them.

On training rows only: the final test must not decide what is learnt. See docs/audit.md.
"""

from collections.abc import Collection, Sequence

import pyarrow as pa

from data.errors import ModelContractError
from features.feature import Feature
from models.arrays import FloatArray
from models.audit.end_state import EndStates, end_state_findings
from models.audit.filling import fill_findings, n_deals, present_values
from models.audit.findings import CHECKS, AuditReport, CheckResult, Finding
from models.audit.names import closed_stage_findings, name_findings
from models.audit.separation import DEALS_AT_LEAST, Rows, rows_of, too_few
from models.audit.values import value_findings
from models.audit.waivers import Waivers

__all__ = ["audit"]

_BY_VALUE = ("single_feature_auc", "holdout_auc", "presence_auc", "filled_part_auc", "decisive_value")
_BY_FILL = ("fill_rate_jump", "set_at_close")


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
    ends: EndStates | None = None,
    late: Sequence[Finding] | None = None,
    closed_frame: pa.Table | None = None,
    waivers: Waivers | None = None,
) -> AuditReport:
    """Findings among the features of training rows, in the catalogue's order, and a verdict per check.

    frame, y (0 or 1), weight: training rows of known outcome. open_frame: rows of the deals open at
    the cut-off. max_auc: 0.5 to 1; max_fill_jump: a difference of shares, 0 to 1. allow: names that
    stay in spite of a finding. ends: end states of the closed deals; late: findings about histories
    written at close; without these, their checks are not applicable. closed_frame: rows of all closed
    deals, newer ones than those of training too, of which only the filling is looked at (the training rows
    by default). Raises ModelContractError if lengths differ.
    """
    if not frame.num_rows == len(y) == len(weight):
        raise ModelContractError(
            f"Audit: expected one label and one weight per row, found {frame.num_rows} rows, {len(y)} labels "
            f"and {len(weight)} weights. Give the labelled training rows alone."
        )
    used = [feature for feature in features if feature.name in frame.column_names]
    rows = rows_of(frame, y, weight)
    skipped: dict[str, str] = {}
    found = [one for feature in used for one in name_findings(feature)]
    found += closed_stage_findings(frame, used)
    found += _by_value(frame, used, rows, max_auc, skipped)
    closed = frame if closed_frame is None else closed_frame
    found += _by_fill(frame, open_frame, closed, used, max_fill_jump, skipped)
    found += _from_tables(frame, used, ends, late, skipped)
    order = {feature.name: i for i, feature in enumerate(used)}
    applied = waivers or Waivers(())
    judged = [applied.judge(one, allow) for one in found if one.feature in order]
    judged.sort(key=lambda one: order[one.feature])
    return AuditReport(
        findings=tuple(judged),
        checked=len(used),
        notes=tuple(dict.fromkeys(skipped.values())),
        results=tuple(_result(check, judged, len(used), skipped.get(check)) for check in CHECKS),
        waivers=applied.account(judged, tuple(order), allow),
    )


def _by_value(
    frame: pa.Table, used: Sequence[Feature], rows: Rows, max_auc: float, skipped: dict[str, str]
) -> list[Finding]:
    if too_few(rows):
        why = f"Values were not audited: fewer than {DEALS_AT_LEAST} won or {DEALS_AT_LEAST} lost deals."
        skipped |= dict.fromkeys(_BY_VALUE, why)
        return []
    own = set(present_values(used))
    return [
        one
        for feature in used
        for one in value_findings(frame, feature, rows, max_auc, own=feature.name in own)
    ]


def _by_fill(
    frame: pa.Table, open_frame: pa.Table, closed_frame: pa.Table, used: Sequence[Feature], max_jump: float,
    skipped: dict[str, str],
) -> list[Finding]:  # fmt: skip
    n_closed, n_open = n_deals(frame), n_deals(open_frame)
    if min(n_open, n_closed) < DEALS_AT_LEAST:
        why = f"Fill rates were not compared: {n_closed} closed and {n_open} open deals."
        skipped |= dict.fromkeys(_BY_FILL, why)
        return []
    own = set(present_values(used))
    present = (feature for feature in used if feature.name in own)
    return [
        one
        for feature in present
        for one in fill_findings(frame, open_frame, closed_frame, feature, max_jump)
    ]


def _from_tables(
    frame: pa.Table, used: Sequence[Feature], ends: EndStates | None, late: Sequence[Finding] | None,
    skipped: dict[str, str],
) -> list[Finding]:  # fmt: skip
    """Checks that read the tables beside the frame."""
    found: list[Finding] = []
    if ends is None or not frame.num_rows:
        skipped["end_state"] = "Fields were not held against end states: there are none to compare with."
    else:
        found += [one for feature in used for one in end_state_findings(frame, feature, ends)]
    if late is None:
        skipped["filled_at_close"] = "Histories of own fields were not read."
    return found + list(late or ())


def _result(check: str, findings: Sequence[Finding], n: int, why_not: str | None) -> CheckResult:
    """The verdict of a check of features, from what it found."""
    if why_not is not None:
        return CheckResult(check, "not applicable", why_not)
    mine = [one for one in findings if one.check == check]
    figures = {"features": sorted({one.feature for one in mine}), "checked": n}
    open_ = [one for one in mine if not one.waived]
    if not mine:
        return CheckResult(check, "passed", f"none of {n} features: {CHECKS[check]}", figures=figures)
    names = ", ".join(dict.fromkeys(one.feature for one in (open_ or mine)))
    remedy = (open_ or mine)[0].remedy
    return CheckResult(check, "failed" if open_ else "waived", names, remedy, figures=figures)
