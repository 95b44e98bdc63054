"""The people of the CRM as a run published them: who reports to whom, who still works here."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from serving.published import Published

__all__ = ["PEOPLE", "People", "Person", "people_of"]

PEOPLE = "people.parquet"
"""user_id, name, manager_id, active, email_sha256 (trimmed, lower-cased address); sorted by user_id."""


@dataclass(frozen=True)
class Person:
    """A user of the CRM. is_active: not known to have been deactivated."""

    user_id: str
    name: str | None
    manager_id: str | None
    is_active: bool


@dataclass(frozen=True)
class People:
    """Everybody by id, their reports, and their addresses by hash."""

    by_id: Mapping[str, Person] = field(default_factory=dict)
    reports: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    by_email: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def team(self, user_id: str) -> frozenset[str]:
        """The person and all who report to them, at any remove; a circle of managers is walked once."""
        found = {user_id}
        ahead = [user_id]
        while ahead:
            new = [one for one in self.reports.get(ahead.pop(), ()) if one not in found]
            found.update(new)
            ahead.extend(new)
        return frozenset(found)

    def match(self, user_id: str | None, email_sha256: str | None) -> Person | None:
        """The person of that id, else the only one with that address; None if nobody, or several, match.

        Of several with one address, an active one goes before those who were deactivated.
        """
        if user_id is not None and user_id in self.by_id:
            return self.by_id[user_id]
        holders = [self.by_id[one] for one in self.by_email.get(email_sha256 or "", ())]
        held = [one for one in holders if one.is_active] or holders
        return held[0] if len(held) == 1 else None


def people_of(run: Published) -> People:
    """The people that the run published; nobody where the source had no users."""
    if PEOPLE not in run.manifest["files"]:
        return People()
    rows = run.table(PEOPLE).to_pylist()
    by_id = {
        row["user_id"]: Person(row["user_id"], row["name"], row["manager_id"], row["active"] is not False)
        for row in rows
    }
    reports: dict[str, list[str]] = {}
    by_email: dict[str, list[str]] = {}
    for row in rows:
        if row["manager_id"] is not None:
            reports.setdefault(row["manager_id"], []).append(row["user_id"])
        if row["email_sha256"] is not None:
            by_email.setdefault(row["email_sha256"], []).append(row["user_id"])
    return People(
        by_id,
        {manager: tuple(one) for manager, one in reports.items()},
        {email: tuple(one) for email, one in by_email.items()},
    )
