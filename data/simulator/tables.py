"""Tables of the standing world, and the truth that no pipeline may read."""

import numpy as np
import pyarrow as pa

from data.simulator.changes import STAGES
from data.simulator.columns import flags, floats, glue, identifiers, integers, moments_of, pick
from data.simulator.deals import DAY, WEEK, Deals
from data.simulator.journey import MOMENTS, SIGNALS, Path, running
from data.simulator.rng import Bools, Ints, choose, sigmoid, stream
from data.simulator.strengths import BELIEFS, SLOTS
from data.simulator.world import INDUSTRIES, REGIONS, SEGMENTS, World

__all__ = ["account_table", "contact_table", "deal_truth", "people_numbers", "stage_table", "user_table"]

_FIRST = (
    "Anna", "Jonas", "Mei", "Carlos", "Fatima", "Lars", "Ines", "Tom", "Aisha", "Peter", "Yuki", "Nora",
    "David", "Elena", "Sven", "Priya", "Marc", "Julia", "Omar", "Grace",
)  # fmt: skip
_LAST = (
    "Berg", "Müller", "Rossi", "Tanaka", "Okafor", "Nilsson", "Dubois", "Smith", "Novak", "Silva", "Haddad",
    "Jansen", "Keller", "Brown", "Kowalski", "O'Neill", "Varga", "Lindqvist", "Moreau", "Chen",
)  # fmt: skip
_SEAT_TITLES = (
    ("Head of Operations", "operations", "director"), ("Process Manager", "operations", "manager"),
    ("Chief Financial Officer", "finance", "c_level"), ("VP Business Systems", "it", "vp"),
    ("Chief Operating Officer", "management", "c_level"), ("Solution Architect", "it", "manager"),
    ("Planner", "operations", "individual"), ("Clerk", "operations", "individual"),
    ("Quality Manager", "quality", "manager"), ("Category Buyer", "procurement", "manager"),
    ("Legal Counsel", "legal", "director"), ("Controller", "finance", "manager"),
    ("Head of Controlling", "finance", "director"), ("Consultant", "strategy", "individual"),
)  # fmt: skip
_UNITS = ("production", "logistics", "sales", "customer service")
_SENIORITIES = ("c_level", "vp", "director", "manager", "individual")
_DEPARTMENTS = (*(each for _, each, _ in _SEAT_TITLES), "management", *_UNITS)
_STEMS = (
    "Nord",
    "Alpin",
    "Hansa",
    "Meri",
    "Astra",
    "Fenix",
    "Delta",
    "Orion",
    "Rhein",
    "Kappa",
    "Vega",
    "Luma",
)
_ENDINGS = ("Werke", "Group", "Systems", "Foods", "Logistik", "Bank", "Energy", "Retail", "Pharma", "Telecom")


def people_numbers(world: World) -> Ints:
    """The number of each account's person by seat, -1 where there is none; shape (accounts, seats)."""
    counted = np.cumsum(world.pool.ravel()).reshape(world.pool.shape) - 1
    return np.where(world.pool, counted, -1)


def account_table(seed: int, world: World, origin_s: int) -> pa.Table:
    """`accounts`, all of them older than the first deal."""
    rng, n = stream(seed, "accounts"), world.accounts
    created = origin_s - (world.account_age_days * DAY).astype(np.int64) - DAY
    stem, ending = rng.integers(0, len(_STEMS), n), rng.integers(0, len(_ENDINGS), n)
    number = integers(np.arange(n)).cast(pa.string())
    structure = np.where(world.structure_known, world.distributed.astype(int), -1)
    return pa.table({
        "account_id": identifiers("A", np.arange(n)),
        "name": glue(pick(_STEMS, stem), " ", pick(_ENDINGS, ending), " ", number),
        "industry": pick(INDUSTRIES, world.industry),
        "region": pick(REGIONS, world.region),
        "employees": integers(world.employees, rng.random(n) < 0.06),
        "decision_structure": pick(("centralised", "distributed"), structure),
        "created_at": moments_of(created),
        "known_at": moments_of(created + rng.integers(0, 3600, n)),
        "x_segment": pick(SEGMENTS, np.where(rng.random(n) < 0.95, world.segment, -1)),
    })  # fmt: skip


def user_table(seed: int, world: World) -> pa.Table:
    """`users`: sellers, then their managers."""
    rng, managers = stream(seed, "users"), int(world.manager.max()) + 1
    n = world.sellers + managers
    number = np.arange(n)
    first, last = rng.integers(0, len(_FIRST), n), rng.integers(0, len(_LAST), n)
    manager = np.concatenate([world.sellers + world.manager, np.full(managers, -1)])
    return pa.table({
        "user_id": identifiers("U", number),
        "name": glue(pick(_FIRST, first), " ", pick(_LAST, last)),
        "email": glue("u", integers(number).cast(pa.string()), "@vendor.example"),
        "manager_id": identifiers("U", manager),
        "active": flags(np.concatenate([world.active, np.ones(managers, dtype=bool)])),
    })  # fmt: skip


def contact_table(seed: int, world: World, first_seen_s: Ints, as_of_s: int) -> pa.Table:
    """`contacts` that anybody came across before as_of; first_seen_s: (accounts, seats), -1 never."""
    rng = stream(seed, "contacts")
    account, seat = np.nonzero(world.pool)
    n, seen = len(account), first_seen_s[account, seat]
    known = seen + rng.integers(60, 4 * 3600, n)
    first, last = rng.integers(0, len(_FIRST), n), rng.integers(0, len(_LAST), n)
    level = np.array([_SENIORITIES.index(rank) for _, _, rank in _SEAT_TITLES])[seat]
    level = np.clip(level + choose(rng, (0.12, 0.76, 0.12), n) - 1, 0, 4)
    level, department = _by_structure(seed, world.distributed[account], level, seat)
    newsletter = rng.random(n) < 0.3
    table = pa.table({
        "contact_id": identifiers("C", np.arange(n)),
        "account_id": identifiers("A", account),
        "name": glue(pick(_FIRST, first), " ", pick(_LAST, last)),
        "title": pick([title for title, _, _ in _SEAT_TITLES], np.where(rng.random(n) < 0.92, seat, -1)),
        "department": pick(_DEPARTMENTS, np.where(rng.random(n) < 0.85, department, -1)),
        "seniority": pick(_SENIORITIES, np.where(rng.random(n) < 0.85, level, -1)),
        "known_at": moments_of(known),
        "x_newsletter": flags(newsletter, rng.random(n) < 0.1),
    })  # fmt: skip
    return table.filter(flags((seen >= 0) & (known < as_of_s)))


def _by_structure(seed: int, distributed: Bools, level: Ints, seat: Ints) -> tuple[Ints, Ints]:
    """Each person's level (index of `_SENIORITIES`) and department (of `_DEPARTMENTS`), shape (n,).

    Where decisions are centralised, some seats are filled by a more senior person, some from the top
    management; where they are distributed, some by a less senior one, some from a business unit. How an
    account decides thus shows in who takes part, if only roughly.
    """
    rng, n = stream(seed, "responsibility"), len(seat)
    moves, sits = rng.random(n), rng.random(n)
    unit = len(_SEAT_TITLES) + 1 + rng.integers(0, len(_UNITS), n)
    level = np.clip(level + np.where(distributed, moves < 0.25, -(moves < 0.3).astype(int)), 0, 4)
    elsewhere = np.where(distributed, unit, len(_SEAT_TITLES))
    return level, np.where(sits < 0.3, elsewhere, seat)


def stage_table() -> pa.Table:
    """`stages` with the vendor's own guess of each one's chance, which is roughly right."""
    return pa.table({
        "stage": pa.array([name for name, _ in STAGES]),
        "position": integers(np.arange(len(STAGES))),
        "default_probability": floats([chance for _, chance in STAGES]),
    })  # fmt: skip


def deal_truth(world: World, deals: Deals, path: Path, shown: Bools, *, first_deal: int) -> pa.Table:
    """One row per deal and weekly instant of its open life: p_win and the latent state behind it.

    shown: the path rows to write. won_eventually is the outcome even where the world ends earlier.
    latent_log_odds_* add up to logit(p_win).
    """
    won = np.zeros(len(deals), dtype=bool)
    won[path.deal[path.won]] = True
    met = running(path, path.first)
    row = np.flatnonzero(shown)
    deal = path.deal[row]
    columns = {
        "opportunity_id": identifiers("D", first_deal + deal),
        "as_of": moments_of(deals.origin_s + (deals.week[deal] + path.age[row] + 1) * WEEK),
        "p_win": floats(sigmoid(path.log_odds[row])),
        "won_eventually": flags(won[deal]),
    }
    for place, belief in enumerate(BELIEFS):
        columns[f"latent_log_odds_{belief}"] = floats(path.parts[row, place])
    blocker = SLOTS.index("blocker")
    columns |= {
        "latent_age_weeks": floats(path.age[row]),
        "latent_skill": floats(world.skill[deals.seller[deal]]),
        "latent_threading": floats(deals.threading[deal]),
        "latent_promising": floats(deals.promising[deal]),
        "latent_distributed": floats(deals.distributed[deal]),
        "latent_mission_critical": floats(deals.motive[deal] == 0),
        "latent_fomo": floats(deals.motive[deal] == 1),
        "latent_competitors": floats(deals.competitors[deal]),
        "latent_politics": floats(deals.politics[deal]),
        "latent_group_size": floats(deals.present[deal].sum(axis=1)),
        "latent_roles_met": floats(met[row].sum(axis=1)),
        "latent_blocker_untouched": floats(deals.present[deal, blocker] & ~met[row, blocker]),
        "latent_moment": floats(np.minimum(path.position[row], len(MOMENTS) - 1)),
        "latent_economic_buyer_met": floats(met[row, SLOTS.index("economic_buyer")]),
        "latent_decision_maker_met": floats(met[row, SLOTS.index("decision_maker")]),
        "latent_sponsor_left": floats(running(path, path.left[:, None])[row, 0]),
        "latent_quiet_weeks": floats(path.quiet[row]),
        "latent_backed": floats(running(path, path.signals)[row, SIGNALS.index("sponsor_backing")]),
        "latent_spiral": floats(path.spiral[row]),
        "latent_slips": floats(path.slips[row]),
        "latent_delivered": floats(path.delivered[row]),
    }
    return pa.table(columns)
