"""The weekly life of deals, from which both the tables and the outcome follow.

Each week a deal's facts either happen or not: a role is met, the buyer writes, a promise slips. A fact
of strength s has probability q1 in weeks that lean to a win and q0 in weeks that lean to a loss, with
logit(q1) - logit(q0) = s; a week leans to a win with the deal's present probability p. The log-odds
then move by log(q1/q0) if it happened and by log((1-q1)/(1-q0)) if not: Bayes' rule, so p is a
martingale. A deal closes at a rate that depends on its state alone and is then won with probability p.
By optional stopping p is therefore exactly the probability of winning given the full state, at every
instant and whatever the closing rate, and events are drawn from the state, never from the outcome.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from data.simulator.deals import Deals
from data.simulator.rng import Bools, Floats, Ints, sigmoid
from data.simulator.strengths import BELIEFS, HIDDEN, ROLE_FIRST, ROLE_REPEAT, SLOTS, STRENGTHS

__all__ = ["MAX_WEEKS", "MOMENTS", "QUESTIONS", "SIGNALS", "Path", "run", "running"]

MAX_WEEKS = 90
MOMENTS = (
    "problem_recognised", "scoping", "budget_champion", "solution_visualised", "long_list", "outreach",
    "short_list", "proof_of_concept", "cost_benefit", "bake_off", "negotiation", "sign_off",
)  # fmt: skip
SIGNALS = (
    "competitor_mentioned", "reference_requested", "objection", "sponsor_backing", "fomo",
    "mission_critical", "metrics_requested", "beta_or_launch_partner",
)  # fmt: skip
QUESTIONS = ("means", "decision_process", "why", "when")

_REACH = np.array([0.50, 0.42, 0.07, 0.09, 0.04, 0.22, 0.20, 0.14, 0.10, 0.02, 0.02, 0.03, 0.045, 0.07])
_REACH_MET = np.array([0.62, 0.50, 0.24, 0.24, 0.16, 0.34, 0.28, 0.22, 0.16, 0.22, 0.20, 0.20, 0.16, 0.12])
_LATE = np.array([1, 1, 1.5, 1.3, 1.3, 1, 1, 1, 1, 7, 7, 5, 1.3, 1])
_SENIOR = np.array([seat in ("economic_buyer", "decision_maker", "executive_sponsor") for seat in SLOTS])
_FIRST, _REPEAT = np.array(ROLE_FIRST), np.array(ROLE_REPEAT)
_BLOCKER, _SPONSORS = SLOTS.index("blocker"), (0, 1)
_COLUMN = {name: place for place, name in enumerate(BELIEFS)}


@dataclass(frozen=True)
class Path:
    """One row per deal and calendar week, sorted by deal, then week.

    deal: row in `Deals`; age: weeks since the week of creation; parts: log-odds by belief at the end
    of the week, shape (rows, beliefs); touched: who was in contact, shape (rows, seats); closing: the
    deal closes in this week. The rest says what happened, -1 or false where nothing did.
    """

    deal: Ints
    age: Ints
    parts: Floats
    touched: Bools
    first: Bools
    left: Bools
    junior: Bools
    inbound: Bools
    booked: Bools
    position: Ints
    moved: Ints
    signals: Bools
    promise: Ints
    feature: Ints
    due: Ints
    spiral: Ints
    slips: Ints
    delivered: Ints
    question: Ints
    agreed: Bools
    closing: Bools
    won: Bools

    @property
    def log_odds(self) -> Floats:
        """Log-odds of winning at the end of the week."""
        return self.parts.sum(axis=1)


def running(path: Path, happened: Bools) -> Bools:
    """Whether it has happened by the end of each row, in the same deal; shape (rows, k)."""
    total = np.cumsum(happened, axis=0, dtype=np.int32)
    starts = np.flatnonzero(path.age == 0)
    base = np.repeat(total[starts] - happened[starts], np.diff([*starts, len(path.deal)]), axis=0)
    return (total - base) > 0


@dataclass
class _State:
    """The living deals' state; arrays over living deals."""

    row: Ints
    parts: Floats
    met: Bools
    present: Bools
    position: Ints
    silent: Ints
    promise_open: Bools
    due: Ints
    feature: Ints
    slips: Ints
    delivered: Ints
    spiral: Ints
    promises: Ints
    agreed: Bools = field(default_factory=lambda: np.zeros((0, 4), dtype=bool))

    def keep(self, mask: Bools) -> "_State":
        return _State(**{name: value[mask] for name, value in vars(self).items()})


class _Week:
    """One week of the living deals: draws facts and keeps the books of the log-odds."""

    def __init__(self, rng: np.random.Generator, state: _State) -> None:
        self.rng, self.state = rng, state
        p = sigmoid(state.parts.sum(axis=1))
        self.lean = np.where(rng.random(len(p)) < p, 0.5, -0.5)

    def fact(
        self, belief: str, strength: float | Floats, chance: float | Floats, eligible: bool | Bools = True
    ) -> Bools:
        """Whether the fact happens to each deal (and seat, if `chance` is two-dimensional)."""
        odds, shape = np.log(chance / (1 - np.asarray(chance))), (len(self.lean),)
        wide = np.ndim(odds) == 2
        lean = self.lean[:, None] if wide else self.lean
        shape = np.broadcast_shapes(np.shape(odds), lean.shape)
        q1, q0 = sigmoid(odds + np.asarray(strength) / 2), sigmoid(odds - np.asarray(strength) / 2)
        happened = (self.rng.random(shape) < np.where(lean > 0, q1, q0)) & eligible
        moved = np.where(happened, np.log(q1 / q0), np.log((1 - q1) / (1 - q0))) * eligible
        self.state.parts[:, _COLUMN[belief]] += moved.sum(axis=1) if wide else moved
        return happened

    def shock(self) -> None:
        """A hidden shock, by the same rule: its mean is ± half its variance."""
        moved = self.rng.normal(self.lean * HIDDEN**2, HIDDEN)
        self.state.parts[:, _COLUMN["hidden"]] += moved


def run(rng: np.random.Generator, deals: Deals, parts: Floats) -> Path:
    """Every deal's life until it closes, at most MAX_WEEKS weeks."""
    state = _begin(deals, parts)
    weeks = []
    for age in range(MAX_WEEKS):
        if len(state.row) == 0:
            break
        events = _live(rng, state, deals, age)
        weeks.append(events)
        state = state.keep(~events["closing"])
    columns = {name: np.concatenate([week[name] for week in weeks]) for name in weeks[0]}
    order = np.lexsort((columns["age"], columns["deal"]))
    return Path(**{name: value[order] for name, value in columns.items()})


def _begin(deals: Deals, parts: Floats) -> _State:
    n = len(deals)
    zeros = np.zeros(n, dtype=np.int64)
    return _State(
        row=np.arange(n),
        parts=parts.copy(),
        met=np.zeros((n, len(SLOTS)), dtype=bool),
        present=deals.present.copy(),
        position=deals.entry.copy(),
        silent=zeros.copy(),
        promise_open=np.zeros(n, dtype=bool),
        due=zeros.copy(),
        feature=zeros.copy(),
        slips=zeros.copy(),
        delivered=zeros.copy(),
        spiral=zeros.copy(),
        promises=zeros.copy(),
        agreed=np.zeros((n, len(QUESTIONS)), dtype=bool),
    )


def _live(rng: np.random.Generator, state: _State, deals: Deals, age: int) -> dict[str, np.ndarray]:
    """One week: moves `state` on and returns what happened."""
    week = _Week(rng, state)
    events: dict[str, np.ndarray] = {"deal": state.row.copy(), "age": np.full(len(state.row), age)}
    events |= _contact(week, deals, age)
    events |= _journey(week, deals, events["touched"])
    signals = _signals(week, deals)
    events |= _promises(week, deals, age, signals)
    events |= _qualify(week, deals)
    week.shock()
    events["signals"] = signals
    events["first"] = events["touched"] & ~state.met
    state.met |= events["touched"]
    state.silent = np.where(events["touched"].any(axis=1), 0, state.silent + 1)
    events["position"] = state.position.copy()
    events["parts"] = state.parts.copy()
    p = sigmoid(state.parts.sum(axis=1))
    events["closing"] = rng.random(len(p)) < _closing_rate(state, deals, age, p)
    events["won"] = events["closing"] & (rng.random(len(p)) < p)
    return events


def _contact(week: _Week, deals: Deals, age: int) -> dict[str, np.ndarray]:
    """Who was in touch this week, and whether the sponsor left (belief 1)."""
    state, row = week.state, week.state.row
    threading, energy = deals.threading[row, None], deals.energy[row, None]
    reach = np.where(state.met, _REACH_MET, _REACH * (0.35 + 1.3 * threading))
    reach[:, list(_SPONSORS)] = np.where(state.met, _REACH_MET, _REACH)[:, list(_SPONSORS)]
    # who is seen follows from where responsibility lies, not from headcount
    wide = deals.distributed[row, None]
    reach = reach * np.where(_SENIOR, np.where(wide, 0.75, 1.35), np.where(wide, 1.15, 0.85))
    reach = reach * np.where((state.position >= 8)[:, None], np.where(state.met, 1.2, _LATE), 1.0)
    reach[:, 1] *= deals.capacity[row]  # a mobilizer has a day job
    reach[state.spiral >= 4] *= np.where(_SENIOR, 0.35, 1.0)
    chance = np.clip(reach * energy, 0.002, 0.93)
    strength = np.where(state.met, _REPEAT, _FIRST)
    touched = week.fact("stakeholders", strength, chance, state.present)
    single = state.present[:, 0] & ~(state.met[:, 1:] & state.present[:, 1:])[:, [0, 2, 3]].any(axis=1)
    strong = STRENGTHS["sponsor_absent_champion_left"] * np.where(single, 1.25, 0.8)
    left = week.fact("stakeholders", strong, 0.007, state.present[:, 0] & state.met[:, 0] & (age > 2))
    state.present[left, 0] = False
    quiet = np.where(touched.any(axis=1), 0.42, 0.12) * deals.energy[row]
    inbound = week.fact("momentum", STRENGTHS["inbound"], np.clip(quiet, 0.02, 0.9))
    booked = week.fact("momentum", STRENGTHS["booked"], np.clip(quiet * 0.9, 0.02, 0.9))
    return {"touched": touched, "left": left, "inbound": inbound, "booked": booked}


def _journey(week: _Week, deals: Deals, touched: Bools) -> dict[str, np.ndarray]:
    """Micro-moments forward and back (belief 5); `moved` is the moment reached, or -1."""
    state, row = week.state, week.state.row
    pace = np.where(deals.distributed[row], 0.30, 0.42) * np.where(touched.any(axis=1), 1.15, 0.35)
    pace = pace * np.where(deals.kind[row] == 0, 1.0, 1.25)
    forward = week.fact("momentum", STRENGTHS["advance"], np.clip(pace, 0.01, 0.9), state.position < 11)
    back = week.fact("momentum", STRENGTHS["regress"], 0.035, (state.position > 2) & ~forward)
    state.position = state.position + forward - back * week.rng.integers(1, 3, len(row))
    return {"moved": np.where(forward | back, state.position, -1)}


def _signals(week: _Week, deals: Deals) -> Bools:
    """Signals heard this week, shape (living, SIGNALS); motives show in what people say (belief 3)."""
    state, row = week.state, week.state.row
    motive = deals.motive[row]
    heard = np.zeros((len(row), len(SIGNALS)), dtype=bool)
    chances: dict[str, tuple[str, Any]] = {
        "competitor_mentioned": ("deal", 0.012 + 0.05 * deals.competitors[row]),
        "reference_requested": ("momentum", 0.03),
        "objection": ("momentum", 0.06),
        "sponsor_backing": ("motive", 0.015 + 0.05 * state.met[:, 4] + 0.02 * state.met[:, 2]),
        "fomo": ("motive", np.where(motive == 1, 0.09, 0.008)),
        "mission_critical": ("motive", np.where(motive == 0, 0.09, 0.010)),
    }
    for name, (belief, chance) in chances.items():
        heard[:, SIGNALS.index(name)] = week.fact(belief, STRENGTHS[name], chance)
    return heard


def _promises(week: _Week, deals: Deals, age: int, signals: Bools) -> dict[str, np.ndarray]:
    """Promises made, kept, slipped, and the spiral that follows (belief 2).

    promise: 0 promised, 1 rescheduled, 2 delivered, 3 withdrawn, -1 nothing.
    spiral: 0 none, 1 slipped, 2 new faces, 3 competitor, 4 metrics asked for, 5 only juniors left.
    """
    state, row, rng = week.state, week.state.row, week.rng
    event = np.full(len(row), -1)
    due_now = state.promise_open & (age >= state.due)
    _spiral(week, deals, signals)
    tempted = deals.promising[row] * np.where((state.spiral == 5) | (state.silent > 2), 2.2, 1.0)
    free = ~state.promise_open & (state.position >= 2) & (state.promises < 4)
    made = week.fact("promises", STRENGTHS["promised"], np.clip(0.006 + 0.17 * tempted, 0.002, 0.6), free)
    kept = week.fact("promises", STRENGTHS["delivered"], 1 - deals.slip[state.feature], due_now)
    slipped = due_now & ~kept
    withdrawn = slipped & (rng.random(len(row)) < 0.12)
    event[made], event[slipped], event[kept], event[withdrawn] = 0, 1, 2, 3
    state.feature = np.where(made, rng.integers(0, 12, len(row)), state.feature)
    wait = np.where(made, rng.integers(3, 11, len(row)), rng.integers(2, 7, len(row)))
    state.due = np.where(made | slipped, age + wait, state.due)
    state.promise_open = (state.promise_open | made) & ~kept & ~withdrawn
    state.promises, state.slips = state.promises + made, state.slips + slipped
    state.delivered = state.delivered + kept
    state.spiral = np.where(slipped, np.maximum(state.spiral, 1), np.where(kept, 0, state.spiral))
    return {
        "promise": event,
        "feature": state.feature.copy(),
        "due": state.due.copy(),
        "spiral": state.spiral.copy(),
        "slips": state.slips.copy(),
        "delivered": state.delivered.copy(),
        "junior": state.spiral == 5,
    }


def _spiral(week: _Week, deals: Deals, signals: Bools) -> None:
    """The next phase of the spiral, or the honest way out of it."""
    state, phase = week.state, week.state.spiral.copy()
    honest = 0.04 + 0.10 * (1 - deals.promising[state.row])
    way_out = week.fact("promises", STRENGTHS["beta_or_launch_partner"], honest, phase >= 1)
    for at, name, chance in (
        (1, "new_faces", 0.30), (2, "spiral_competitor", 0.28),
        (3, "metrics_requested", 0.28), (4, "junior_only", 0.30),
    ):  # fmt: skip
        came = week.fact("promises", STRENGTHS[name], chance, (phase == at) & ~way_out)
        state.spiral = state.spiral + came
        if name == "spiral_competitor":
            signals[:, SIGNALS.index("competitor_mentioned")] |= came
        if name == "metrics_requested":
            signals[:, SIGNALS.index("metrics_requested")] |= came
    signals[:, SIGNALS.index("beta_or_launch_partner")] |= way_out
    state.spiral = np.where(way_out, 0, state.spiral)


def _qualify(week: _Week, deals: Deals) -> dict[str, np.ndarray]:
    """A question put to both sides and how well their answers agree (belief 4)."""
    state, row, rng = week.state, week.state.row, week.rng
    asked = rng.random(len(row)) < 0.06 + 0.14 * deals.discipline[row]
    question = rng.integers(0, len(QUESTIONS), len(row))
    known = state.agreed[np.arange(len(row)), question]
    base = np.where(known, 0.85, 0.52)
    agreed = week.fact("qualification", STRENGTHS["agreement"], base, asked)
    state.agreed[np.arange(len(row))[asked], question[asked]] = agreed[asked]
    return {"question": np.where(asked, question, -1), "agreed": agreed}


def _closing_rate(state: _State, deals: Deals, age: int, p: Floats) -> Floats:
    """Chance that the deal closes at the end of this week: quick wins, slow losses, vetoes that stall.

    Depends on the state alone, so it says nothing about the outcome beyond p.
    """
    row = state.row
    rate = 0.088 * np.exp(1.0 * (p - 0.35)) * min(max(age - 1, 0) / 7, 1.0)
    rate = rate * np.where(state.position >= 9, 2.6, np.where(state.position >= 6, 1.2, 0.8))
    rate = rate * np.where(deals.distributed[row], 0.8, 1.25) * np.where(deals.kind[row] == 2, 1.35, 1.0)
    rate = rate * np.where(state.present[:, _BLOCKER] & ~state.met[:, _BLOCKER], 0.6, 1.0)
    rate = rate * np.where(state.silent >= 4, 1.7, 1.0)
    return np.where(age >= MAX_WEEKS - 1, 1.0, np.minimum(rate, 0.6))
