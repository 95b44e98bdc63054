"""Waivers: findings that somebody has looked at and lets stand, each with a reason.

[[waiver]]
feature = "opportunities_x_contract_id"
check = "presence_auc"          # optional: all checks without it
reason = "the draft's number, typed in before the offer goes out"
by = "Ada"                      # optional
until = 2026-12-31              # optional: the last day on which it holds
"""

import difflib
import tomllib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from data.errors import UsageError
from models.audit.findings import CHECKS, Finding

__all__ = ["WAIVERS_FILE", "Waiver", "Waivers", "read_waivers"]

WAIVERS_FILE = "audit-waivers.toml"
_ALLOWED = "allowed by name in the setting audit_allow, which gives no reason"
_KEYS = ("feature", "check", "reason", "by", "until")


@dataclass(frozen=True)
class Waiver:
    """One entry: a feature whose findings (of one check, or of all) may stand until the end of a day."""

    feature: str
    reason: str
    check: str | None = None
    by: str | None = None
    until: date | None = None

    def covers(self, found: Finding) -> bool:
        """Whether it speaks of this finding, be it still valid or not."""
        return self.feature == found.feature and self.check in (None, found.check)

    @property
    def words(self) -> str:
        """The reason, with who gave it and how long it holds."""
        by = f", {self.by}" if self.by else ""
        until = f" (until {self.until})" if self.until else ""
        return f"{self.reason}{by}{until}"


@dataclass(frozen=True)
class Waivers:
    """The entries of a file, and the day on which they are applied (none: they hold for ever)."""

    entries: tuple[Waiver, ...]
    today: date | None = None

    def judge(self, found: Finding, allow: Collection[str]) -> Finding:
        """The finding, waived if an entry that still holds covers it, or its feature is allowed by name."""
        valid = [one for one in self.entries if one.covers(found) and not self._is_over(one)]
        reason = valid[0].words if valid else _ALLOWED if found.feature in allow else None
        if reason is None:
            return found
        remedy = f"Waived: {reason}. Make sure that the value was known at each as_of."
        return replace(found, waived=True, reason=reason, remedy=remedy)

    def account(
        self, findings: Sequence[Finding], names: Collection[str], allow: Collection[str]
    ) -> tuple[str, ...]:
        """What became of each entry and each allowed name, in words."""
        said = [f"{one.feature}: {self._fate(one, findings, names)}" for one in self.entries]
        for name in allow:
            met = any(one.feature == name for one in findings)
            fate = _ALLOWED if met else "allowed by name, but nothing was found: take it out of audit_allow"
            said.append(f"{name}: {fate if name in names else _absent(name, names)}")
        return tuple(said)

    def _is_over(self, one: Waiver) -> bool:
        return one.until is not None and self.today is not None and self.today > one.until

    def _fate(self, one: Waiver, findings: Sequence[Finding], names: Collection[str]) -> str:
        if one.feature not in names:
            return _absent(one.feature, names)
        if self._is_over(one):
            return f"its waiver ended on {one.until} and no longer holds: look again, or take it out"
        met = sorted({found.check for found in findings if one.covers(found)})
        if not met:
            of = f" by {one.check}" if one.check else ""
            return f"waived, but nothing was found{of}: take the waiver out"
        return f"waived for {', '.join(met)}: {one.words}"


def read_waivers(path: Path, *, today: date | None = None) -> Waivers:
    """The waivers of a TOML file. Raises UsageError naming the file, the entry and the remedy."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(
            f"{path}: no such file of waivers. Write it, or take 'audit_waivers' out of the settings."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: expected TOML, found {error}. Correct that line.") from error
    entries = document.pop("waiver", [])
    if document or not isinstance(entries, list):
        found = ", ".join(sorted(document)) or "waiver, which is no list"
        raise UsageError(
            f"{path}: expected nothing but [[waiver]] entries, found {found}. Correct the heading."
        )
    return Waivers(tuple(_waiver(path, i, entry) for i, entry in enumerate(entries, start=1)), today)


def _waiver(path: Path, number: int, entry: dict[str, Any]) -> Waiver:
    place = f"{path}, waiver {number}" + (f" ({entry['feature']})" if entry.get("feature") else "")
    for key in entry:
        if key not in _KEYS:
            near = difflib.get_close_matches(key, _KEYS, n=1)
            remedy = f"Did you mean {near[0]!r}?" if near else f"Use {', '.join(_KEYS)}."
            raise UsageError(f"{place}: no entry has a {key!r}. {remedy}")
    for key in ("feature", "reason", "check", "by"):
        value = entry.get(key)
        if (value is None and key in ("check", "by")) or (isinstance(value, str) and value.strip()):
            continue
        needed = "say why the finding may stand" if key == "reason" else "name it"
        raise UsageError(f"{place}, {key}: expected a text, found {value!r}. Please {needed}.")
    until = entry.get("until")
    if until is not None and (not isinstance(until, date) or hasattr(until, "hour")):
        raise UsageError(f"{place}, until: expected a date like 2026-12-31, found {until!r}. Write it so.")
    check = entry.get("check")
    if check is not None and check not in CHECKS:
        raise UsageError(f"{place}, check: expected one of {', '.join(CHECKS)}, found {check!r}. Correct it.")
    return Waiver(entry["feature"], entry["reason"].strip(), check, entry.get("by"), until)


def _absent(name: str, names: Collection[str]) -> str:
    near = difflib.get_close_matches(name, sorted(names), n=1)
    return f"no such feature. {f'Did you mean {near[0]!r}?' if near else 'Take it out.'}"
