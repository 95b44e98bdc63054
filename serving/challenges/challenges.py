"""Raising and withdrawing challenges: what the model said, what the challenger says, and why."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from data.answers import Instant
from data.errors import DealcastError, UsageError
from serving.access.errors import NotFound
from serving.access.gate import Seen
from serving.access.hidden import hidden_features
from serving.challenges.numbers import (
    checked_correction,
    factor_value,
    numbers_corrected,
    numbers_set_aside,
)
from serving.store import Store, metadata
from serving.typed_text import LONGEST_NOTE, cleaned

__all__ = [
    "AlreadyChallengedError", "Challenge", "challenge_table", "challenges_seen", "raise_challenge",
    "withdraw_challenge",
]  # fmt: skip

Kind = Literal["set_aside", "corrected"]

challenge_table = sa.Table(
    "challenges",
    metadata,
    sa.Column("challenge_id", sa.String, primary_key=True),
    sa.Column("opportunity_id", sa.String, nullable=False, index=True),
    sa.Column("deal", sa.String, nullable=False),
    sa.Column("owner_id", sa.String),
    sa.Column("feature", sa.String, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("value_model", sa.JSON),
    sa.Column("value_corrected", sa.JSON),
    sa.Column("note", sa.String, nullable=False),
    sa.Column("user_id", sa.String, nullable=False),
    sa.Column("user_name", sa.String, nullable=False),
    sa.Column("team_id", sa.String),
    sa.Column("run_id", sa.String, nullable=False),
    sa.Column("as_of", Instant, nullable=False),
    sa.Column("model_version", sa.String, nullable=False),
    sa.Column("p_model", sa.Float, nullable=False),
    sa.Column("p_challenged", sa.Float, nullable=False),
    sa.Column("raised_at", Instant, nullable=False),
    sa.Column("withdrawn_at", Instant),
    sa.Column("closed_at", Instant),
    sa.Column("won", sa.Boolean),
)
"""One row per challenge, never deleted. team_id: the challenger's manager when it was raised. closed_at, won:
how the deal ended, once a run has told (`serving.challenges.ledger`)."""


class AlreadyChallengedError(DealcastError):
    """The same person challenges the same factor of the deal already. HTTP 409."""

    status = 409
    code = "already_challenged"


@dataclass(frozen=True)
class Challenge:
    """A challenge as it was raised; the columns of `challenge_table`.

    kind: set_aside (the factor's contribution taken out) or corrected (the deal scored with value_corrected).
    """

    challenge_id: str
    opportunity_id: str
    deal: str
    owner_id: str | None
    feature: str
    kind: Kind
    value_model: Any
    value_corrected: Any
    note: str
    user_id: str
    user_name: str
    team_id: str | None
    run_id: str
    as_of: datetime
    model_version: str
    p_model: float
    p_challenged: float
    raised_at: datetime
    withdrawn_at: datetime | None = None
    closed_at: datetime | None = None
    won: bool | None = None

    @property
    def is_open(self) -> bool:
        """Neither withdrawn nor settled by the deal's end."""
        return self.withdrawn_at is None and self.won is None


def raise_challenge(
    store: Store,
    seen: Seen,
    opportunity_id: str,
    *,
    feature: str,
    note: str,
    corrected: Any = None,
    now: datetime,
) -> Challenge:
    """Keep a challenge to a factor of the deal; corrected: the right value, None to set the factor aside.

    Raises NotFound for a deal or factor that is not there or not seen, UsageError for a value that does not
    fit or a note that is missing or too long, AlreadyChallengedError for a second one.
    """
    rank, run = seen.rank_of(opportunity_id), seen.run
    if feature not in run.table("win_features.parquet").column_names[1:]:
        raise NotFound
    if hidden_features(seen, opportunity_id, [feature]):
        raise NotFound
    why = cleaned(note, "Why it is wrong", longest=LONGEST_NOTE, lines=True, needed=True)
    value = None if corrected is None else checked_correction(run, feature, corrected)
    held = factor_value(run, rank, feature)
    if value is not None and value == held:
        raise UsageError(f"{feature}: expected another value than the model's, found the same, {value!r}.")
    numbers = (
        numbers_set_aside(run, rank, feature)
        if value is None
        else numbers_corrected(run, rank, feature, value)
    )
    made = Challenge(
        challenge_id=secrets.token_hex(8),
        opportunity_id=opportunity_id,
        deal=run.deals.name[rank] or opportunity_id,
        owner_id=run.deals.owner_id[rank],
        feature=feature,
        kind="set_aside" if value is None else "corrected",
        value_model=held,
        value_corrected=value,
        note=why,
        user_id=seen.actor.user_id,
        user_name=seen.actor.name,
        team_id=seen.actor.manager_id,
        run_id=run.run_id,
        as_of=run.as_of,
        model_version=run.model_version,
        p_model=float(run.deals.p_win[rank]),
        p_challenged=numbers.p_challenged,
        raised_at=now,
    )
    with store.writing() as con:
        _refuse_second(con, made)
        con.execute(challenge_table.insert().values(**vars(made)))
    return made


def withdraw_challenge(store: Store, seen: Seen, challenge_id: str, *, now: datetime) -> Challenge:
    """The challenge withdrawn by whoever raised it; it stays in the ledger as that.

    Raises NotFound for one that is not the viewer's own, or is settled or withdrawn already.
    """
    here = challenge_table.c.challenge_id == challenge_id
    with store.writing() as con:
        row = con.execute(sa.select(challenge_table).where(here)).one_or_none()
        if row is None or row.user_id != seen.actor.user_id:
            raise NotFound
        held = Challenge(**row._mapping)
        if not held.is_open:
            raise NotFound
        con.execute(challenge_table.update().where(here).values(withdrawn_at=now))
    return Challenge(**{**vars(held), "withdrawn_at": now})


def challenges_seen(store: Store, seen: Seen, opportunity_id: str | None = None) -> tuple[Challenge, ...]:
    """The challenges on deals that the viewer sees, the newest first; of one deal, if it is named.

    Open ones by anybody; settled and withdrawn ones by the viewer alone, since the ledger tells who was
    right by team, never by person.
    """
    if opportunity_id is not None:
        seen.rank_of(opportunity_id)
    wanted = sa.select(challenge_table).order_by(
        challenge_table.c.raised_at.desc(), challenge_table.c.challenge_id
    )
    if opportunity_id is not None:
        wanted = wanted.where(challenge_table.c.opportunity_id == opportunity_id)
    with store.reading() as con:
        found = [Challenge(**row._mapping) for row in con.execute(wanted)]
    return tuple(
        one for one in found if _sees(seen, one) and (one.is_open or one.user_id == seen.actor.user_id)
    )


def _sees(seen: Seen, challenge: Challenge) -> bool:
    """Whether the viewer sees the deal: by its present owner while it is open, else by its last known one.

    And the factor: a challenge says its value.
    """
    rank = seen.run.rank_of(challenge.opportunity_id)
    if rank is None:
        return seen.scope.sees(challenge.owner_id) and (
            seen.scope.owners is None or challenge.user_id == seen.actor.user_id
        )
    if not seen.scope.sees(seen.run.deals.owner_id[rank]):
        return False
    return not hidden_features(seen, challenge.opportunity_id, [challenge.feature])


def _refuse_second(con: sa.Connection, made: Challenge) -> None:
    table = challenge_table.c
    twin = sa.select(table.challenge_id).where(
        table.opportunity_id == made.opportunity_id, table.feature == made.feature,
        table.user_id == made.user_id, table.withdrawn_at.is_(None), table.won.is_(None),
    )  # fmt: skip
    if con.scalar(twin) is not None:
        raise AlreadyChallengedError(
            f"You challenge {made.feature} of this deal already. Withdraw that challenge first."
        )
