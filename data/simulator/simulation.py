"""From a seed to a folder of canonical Parquet files, and the truth beside it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path as FilePath

import numpy as np

from data.errors import UsageError
from data.simulator.activities import activity_table, make_activities, participant_table
from data.simulator.calendar import Diary, make_diary
from data.simulator.changes import amounts, change_table, opportunity_table
from data.simulator.contracts import contract_table, contract_truth, make_contracts, usage_table
from data.simulator.deals import WEEK, Deals, make_deals, starting_parts
from data.simulator.events import make_events
from data.simulator.journey import HEIR, Path, run
from data.simulator.rates import rate_table
from data.simulator.rng import Bools, Ints, stream
from data.simulator.signals import contact_roles, moment_table, promise_table, qualification_table
from data.simulator.tables import (
    account_table,
    contact_table,
    deal_truth,
    people_numbers,
    stage_table,
    user_table,
)
from data.simulator.world import World, make_world
from data.simulator.writing import Files

__all__ = ["DEFAULT_AS_OF", "SimulationReport", "live", "simulate"]

DEFAULT_AS_OF = datetime(2026, 1, 5, tzinfo=UTC)
_PART = 10_000
_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class SimulationReport:
    """What was written: folders and rows by table; the truth apart from the tables."""

    directory: FilePath
    truth_directory: FilePath
    as_of: datetime
    seed: int
    deals: int
    open_deals: int
    won_deals: int
    rows: dict[str, int]
    truth_rows: dict[str, int]


def simulate(
    directory: FilePath,
    *,
    deals: int,
    seed: int,
    years: float = 3.0,
    as_of: datetime | None = None,
    on_step: Callable[[str], None] | None = None,
) -> SimulationReport:
    """Write a world of so many deals, known up to as_of, into `directory`, its truth into `directory`-truth.

    Same arguments, same bytes. on_step is told each step's name. Raises UsageError for arguments that
    make no world.
    """
    as_of = as_of or DEFAULT_AS_OF
    _check(deals, seed, years, as_of)
    step = on_step or (lambda _: None)
    as_of_s = int(as_of.timestamp())
    step("accounts and sellers")
    world = make_world(seed, deals=deals, years=years)
    everything = make_deals(seed, world, deals=deals, as_of_s=as_of_s, years=years)
    first_seen = np.full(world.pool.shape, _NEVER, dtype=np.int64)
    truth_directory = directory.with_name(directory.name + "-truth")
    with Files(directory) as files, Files(truth_directory) as truth:
        won = closed = 0
        for part, start in enumerate(range(0, deals, _PART)):
            step(f"deals {start + 1} to {min(start + _PART, deals)} of {deals}")
            outcome = _write_part(files, truth, seed, part, start, world, everything, first_seen, as_of_s)
            won, closed = won + outcome[0], closed + outcome[1]
        step("contacts")
        files.add("accounts", account_table(seed, world, everything.origin_s))
        files.add("users", user_table(seed, world))
        files.add("stages", stage_table())
        files.add("exchange_rates", rate_table(seed, origin_s=everything.origin_s, as_of_s=as_of_s))
        seen = np.where(first_seen == _NEVER, -1, first_seen)
        files.add("contacts", contact_table(seed, world, seen, as_of_s))
    return SimulationReport(
        directory, truth_directory, as_of, seed, deals, deals - closed, won, files.rows, truth.rows
    )


def live(seed: int, *, deals: int, years: float, as_of: datetime) -> tuple[World, Deals, Path]:
    """The world, its deals and their whole lives, beyond as_of too; for checks of the truth."""
    world = make_world(seed, deals=deals, years=years)
    every = make_deals(seed, world, deals=deals, as_of_s=int(as_of.timestamp()), years=years)
    return world, every, run(stream(seed, "journey"), every, starting_parts(world, every))


def _check(deals: int, seed: int, years: float, as_of: datetime) -> None:
    if deals < 1:
        raise UsageError(f"simulate, deals: expected at least 1, found {deals}. Ask for more deals.")
    if seed < 0:
        raise UsageError(f"simulate, seed: expected 0 or more, found {seed}. Choose another seed.")
    if not 0.1 <= years <= 30:
        raise UsageError(f"simulate, years: expected 0.1 to 30, found {years}. Choose another span.")
    if as_of.tzinfo is None:
        raise UsageError(f"simulate, as_of: expected a time with zone, found {as_of}. Add Z for UTC.")


def _write_part(
    files: Files, truth: Files, seed: int, part: int, start: int,
    world: World, everything: Deals, first_seen: Ints, as_of_s: int,
) -> tuple[int, int]:  # fmt: skip
    """Simulate and write one part of the deals; returns how many were won and how many closed."""
    deals = everything.part(slice(start, start + _PART))
    whole = run(stream(seed, "journey", part), deals, starting_parts(world, deals))
    before = deals.week[whole.deal] + whole.age < (as_of_s - deals.origin_s) // WEEK
    truth.add("truth", deal_truth(world, deals, whole, before & ~whole.closing, first_deal=start))
    path = _cut(whole, before)
    rng = {
        name: stream(seed, name, part)
        for name in ("diary", "events", "activities", "notes", "signals", "changes", "contracts")
    }
    diary = make_diary(rng["diary"], deals, path, as_of_s)
    people = people_numbers(world)[deals.account]
    events = make_events(rng["events"], deals, path, diary)

    found = make_activities(rng["activities"], deals, path, diary, events, as_of_s=as_of_s)
    table, number = activity_table(
        rng["notes"], deals, path, found, events,
        first_deal=start, first_activity=files.rows.get("activities", 0),
    )  # fmt: skip
    files.add("activities", table)
    person = np.where(found.seat >= 0, people[path.deal[found.row[found.at]], found.seat], -1)
    files.add("activity_participants", participant_table(found, number, person))

    at = {"first_deal": start, "as_of_s": as_of_s}
    first = files.rows.get("moments", 0)
    files.add("moments", moment_table(rng["signals"], deals, path, events, people, first=first, **at))
    first = files.rows.get("promises", 0)
    files.add("promises", promise_table(rng["signals"], deals, path, events, first=first, **at))
    files.add("qualification", qualification_table(rng["signals"], deals, path, diary, **at))
    roles, seen = contact_roles(rng["signals"], deals, path, diary, people, **at)
    files.add("opportunity_contacts", roles)
    _remember(first_seen, deals, seen, path, diary)

    amount = amounts(rng["changes"], deals, path)
    files.add(
        "opportunity_changes", change_table(rng["changes"], deals, path, diary, amount, first_deal=start)
    )
    files.add("opportunities", opportunity_table(rng["changes"], world, deals, path, diary, first_deal=start))
    contracts = make_contracts(rng["contracts"], deals, path, diary.closed_s, amount, as_of_s=as_of_s)
    first = files.rows.get("contracts", 0)
    files.add("contracts", contract_table(world, deals, contracts, first=first, **at))
    files.add("usage", usage_table(rng["contracts"], deals, contracts, first=first, as_of_s=as_of_s))
    truth.add("contract_truth", contract_truth(deals, path, contracts, first=first))
    return int(path.won.sum()), int(path.closing.sum())


def _cut(path: Path, keep: Bools) -> Path:
    """The rows of the path to keep."""
    return Path(**{name: value[keep] for name, value in vars(path).items()})


def _remember(first_seen: Ints, deals: Deals, seen: Ints, path: Path, diary: Diary) -> None:
    """Lower `first_seen` (accounts, seats) to when these deals first came across each person."""
    sponsor = np.where(deals.present[:, 0], 0, 1)
    np.minimum.at(first_seen, (deals.account, sponsor), deals.created_s)
    left = np.flatnonzero(path.left)
    np.minimum.at(first_seen[:, HEIR], deals.account[path.deal[left]], diary.week_s[left])
    deal, seat = np.nonzero(seen >= 0)
    np.minimum.at(first_seen, (deals.account[deal], seat), seen[deal, seat])
