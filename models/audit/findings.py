"""What an audit says: findings about features, a verdict per check, and the report that holds both."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from data.errors import LeakageError

__all__ = ["CHECKS", "AuditReport", "CheckResult", "Finding", "Verdict", "finding"]

Verdict = Literal["passed", "failed", "waived", "not applicable"]

CHECKS: dict[str, str] = {
    "banned_name": "its name is that of a field settled at the close",
    "closed_stage": "open deals stand at a stage that says closed",
    "fill_rate_jump": "filled at close",
    "set_at_close": "changed from its resting value at close",
    "filled_at_close": "its history is written at close",
    "end_state": "it repeats how the deal or the account ended",
    "single_feature_auc": "its value alone tells the outcome",
    "holdout_auc": "its value alone tells the outcome of the newest deals",
    "presence_auc": "being filled or empty tells the outcome",
    "filled_part_auc": "where it is filled, its value tells the outcome",
    "decisive_value": "one of its values comes with one outcome only",
}
"""Every check of a feature, by name, in the words that follow the feature's name."""


@dataclass(frozen=True)
class Finding:
    """One feature that failed one check. figure and bound exceed threshold; bound is its lower end.

    reason: why it is waived, in the words of the waiver; empty if it is not.
    """

    feature: str
    check: str
    figure: float
    bound: float
    threshold: float
    evidence: str
    remedy: str
    waived: bool = False
    reason: str = ""


@dataclass(frozen=True)
class CheckResult:
    """The verdict of one check.

    structural: it is about the training rows themselves, so its failure stops a run; the other checks
    are about features, which are left out. figures: what was counted or measured, by name.
    """

    check: str
    verdict: Verdict
    evidence: str
    remedy: str = ""
    structural: bool = False
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AuditReport:
    """What was found; `dropped` leaves training, waived findings stay; `notes` says what was not checked.

    results: a verdict per check. waivers: what became of each entry of the waiver file.
    """

    findings: tuple[Finding, ...]
    checked: int
    notes: tuple[str, ...] = ()
    results: tuple[CheckResult, ...] = ()
    waivers: tuple[str, ...] = ()

    @property
    def dropped(self) -> tuple[str, ...]:
        """Names of the features to leave out, sorted."""
        return tuple(sorted({f.feature for f in self.findings if not f.waived}))

    @property
    def waived(self) -> tuple[str, ...]:
        """Names of the features that failed and yet stay, since every finding is waived; sorted."""
        return tuple(sorted({f.feature for f in self.findings if f.waived} - set(self.dropped)))

    @property
    def failed(self) -> tuple[CheckResult, ...]:
        """The checks that failed, those of features included."""
        return tuple(result for result in self.results if result.verdict == "failed")

    def check_structure(self) -> None:
        """Raise LeakageError with every structural failure, its evidence and its remedy."""
        broken = [result for result in self.failed if result.structural]
        if broken:
            said = [f"{result.check}: {result.evidence} {result.remedy}".rstrip() for result in broken]
            raise LeakageError(
                "the audit stopped the run: its training rows know what they should not.\n" + "\n".join(said)
            )

    def as_dict(self) -> dict[str, Any]:
        """What audit.json holds."""
        return {
            "schema_version": 1,
            "dropped": list(self.dropped),
            "waived": list(self.waived),
            "checked": self.checked,
            "checks": [asdict(result) for result in self.results],
            "findings": [asdict(finding) for finding in self.findings],
            "waivers": list(self.waivers),
            "notes": list(self.notes),
        }


def finding(
    feature: str, check: str, figure: float, bound: float, threshold: float, evidence: str
) -> Finding:
    """A finding that is not waived, with the remedy of its check."""
    return Finding(feature, check, float(figure), float(bound), float(threshold), evidence, _remedy(check))


def _remedy(check: str) -> str:
    if check == "closed_stage":
        return (
            "Left out. Let closed_at be the instant at which the stage said closed, or rename the stage if "
            "it stands for an open deal; or waive it by name."
        )
    if check == "filled_at_close":
        return (
            "Left out. Leave the field out of the mapping, or record its history while deals are open; "
            "or waive it by name."
        )
    return (
        "Left out. If the value is truly known while deals are open, map its history as "
        "opportunity_changes, or allow it by name (a waiver with a reason)."
    )
