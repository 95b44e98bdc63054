"""The weekly life of deals, from which both the tables and the outcome follow.

Each week a deal's facts either happen or not: a role is met, the buyer writes, a promise slips. A fact
of strength s has probability q1 in weeks that lean to a win and q0 in weeks that lean to a loss, with
logit(q1) - logit(q0) = s; a week leans to a win with the deal's present probability p. The log-odds
then move by log(q1/q0) if it happened and by log((1-q1)/(1-q0)) if not: Bayes' rule, so p is a
martingale. A deal closes at a rate that depends on its state alone and is then won with probability p.
By optional stopping p is therefore exactly the probability of winning given the full state, at every
instant and whatever the closing rate, and events are drawn from the state, never from the outcome.

A sight moves nothing: it tells of what moved the odds before (a motive that was there from the first
day), or comes more often where the odds are good (a buyer who wants it writes more). Chances may depend
on p itself, since p belongs to the state: what goes well goes fast.
"""

from dataclasses import dataclass, field

import numpy as np

from data.simulator.deals import Deals
from data.simulator.rng import Bools, Floats, Ints, sigmoid
from data.simulator.strengths import BELIEFS, HIDDEN, ROLE_FIRST, SLOTS, STRENGTHS

__all__ = ["HEIR", "MAX_WEEKS", "MOMENTS", "QUESTIONS", "SIGNALS", "Path", "run", "running"]

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

_REACH = np.array([0.50, 0.42, 0.035, 0.04, 0.02, 0.22, 0.20, 0.14, 0.10, 0.02, 0.02, 0.03, 0.035, 0.07])
_REACH_MET = np.array([0.62, 0.50, 0.24, 0.24, 0.16, 0.34, 0.28, 0.22, 0.16, 0.22, 0.20, 0.20, 0.16, 0.12])
_LATE = np.array([1, 1, 1.5, 1.3, 1.3, 1, 1, 1, 1, 7, 7, 5, 1.3, 1])
_SENIOR = np.array([seat in ("economic_buyer", "decision_maker", "executive_sponsor") for seat in SLOTS])
_FIRST = np.array(ROLE_FIRST)
HEIR = SLOTS.index("technical_evaluator")
"""The seat that sellers write to once a deal's only sponsor has left."""

_BLOCKER = SLOTS.index("blocker")
_SILENCED, _ANSWERED = 0.05, 0.16  # chance per week that a buyer falls silent, and answers again
_COLUMN = {name: place for place, name in enumerate(BELIEFS)}


@dataclass(frozen=True)
class Path:
    """One row per deal and calendar week, sorted by deal, then week.

    deal: row in `Deals`; age: weeks since the week of creation; parts: log-odds by belief at the end
    of the week, shape (rows, beliefs); touched: who was in contact, shape (rows, seats); quiet: weeks of
    silence so far; closing: the deal closes in this week. The rest says what happened, -1 or false where
    nothing did.
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
    quiet: Ints
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
    quiet: Ints
    backed: Bools
    promise_open: Bools
    due: Ints
    feature: Ints
    slips: Ints
    delivered: Ints
    spiral: Ints
    promises: Ints
    answers: Ints = field(default_factory=lambda: np.zeros((0, 4), dtype=np.int64))
    """Of each question: -1 not asked, 0 answered apart, 1 alike."""

    @property
    def awake(self) -> Bools:
        """Whether the buyer talks to the seller at all."""
        return self.quiet == 0

    def keep(self, mask: Bools) -> "_State":
        return _State(**{name: value[mask] for name, value in vars(self).items()})


class _Week:
    """One week of the living deals: draws facts and keeps the books of the log-odds."""

    def __init__(self, rng: np.random.Generator, state: _State) -> None:
        self.rng, self.state = rng, state
        self.p = sigmoid(state.parts.sum(axis=1))
        self.lean = np.where(rng.random(len(self.p)) < self.p, 0.5, -0.5)

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

    def sight(self, chance: float | Floats, eligible: bool | Bools = True) -> Bools:
        """Whether something shows that moves no odds: it tells of what moved them before."""
        shape = np.shape(chance) or self.lean.shape
        return (self.rng.random(shape) < chance) & eligible

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
        quiet=zeros.copy(),
        backed=np.zeros(n, dtype=bool),
        promise_open=np.zeros(n, dtype=bool),
        due=zeros.copy(),
        feature=zeros.copy(),
        slips=zeros.copy(),
        delivered=zeros.copy(),
        spiral=zeros.copy(),
        promises=zeros.copy(),
        answers=np.full((n, len(QUESTIONS)), -1, dtype=np.int64),
    )


def _live(rng: np.random.Generator, state: _State, deals: Deals, age: int) -> dict[str, np.ndarray]:
    """One week: moves `state` on and returns what happened."""
    week = _Week(rng, state)
    events: dict[str, np.ndarray] = {"deal": state.row.copy(), "age": np.full(len(state.row), age)}
    events |= _contact(week, deals, age)
    events |= _journey(week, deals)
    signals = _signals(week, deals, age)
    events |= _promises(week, deals, age, signals)
    events |= _qualify(week, deals)
    week.shock()
    events["signals"] = signals
    events["first"] = events["touched"] & ~state.met
    state.met |= events["touched"]
    events["position"] = state.position.copy()
    events["parts"] = state.parts.copy()
    p = sigmoid(state.parts.sum(axis=1))
    events["closing"] = rng.random(len(p)) < _closing_rate(state, deals, age, p)
    events["won"] = events["closing"] & (rng.random(len(p)) < p)
    return events


def _contact(week: _Week, deals: Deals, age: int) -> dict[str, np.ndarray]:
    """Whether the buyer talks at all (belief 5), with whom, and whether the champion left (belief 1)."""
    state, row = week.state, week.state.row
    awake = state.awake
    silenced = week.fact("momentum", STRENGTHS["went_silent"], _SILENCED, awake & (age > 0))
    answered = week.fact("momentum", STRENGTHS["answered_again"], _ANSWERED, ~awake)
    state.quiet = np.where(silenced | ~(awake | answered), state.quiet + 1, 0)
    talks = state.awake[:, None]
    chance = np.clip(_reach(state, deals), 0.002, 0.93)
    first = week.fact("stakeholders", _FIRST, chance, state.present & ~state.met & talks)
    touched = first | week.sight(np.where(state.met, chance, 0.0), state.present & talks)
    single = state.met[:, 0] & state.present[:, 0] & ~state.present[:, 1] & (age > 2)
    left = week.fact("stakeholders", STRENGTHS["sponsor_left"], 0.02, single)
    state.present[left, 0] = False
    lively = np.where(state.awake, np.clip((0.25 + 0.65 * week.p) * deals.energy[row], 0.02, 0.9), 0.0)
    inbound, booked = week.sight(lively), week.sight(0.8 * lively)
    return {
        "touched": touched, "left": left, "inbound": inbound, "booked": booked, "quiet": state.quiet.copy(),
    }  # fmt: skip


def _reach(state: _State, deals: Deals) -> Floats:
    """Chance that each seat is in touch in a week in which the buyer talks; shape (living, seats)."""
    row = state.row
    reach = np.where(state.met, _REACH_MET, _REACH * (0.75 + 0.5 * deals.threading[row, None]))
    # who is seen follows from where responsibility lies, not from headcount
    wide = deals.distributed[row, None]
    reach = reach * np.where(_SENIOR, np.where(wide, 0.8, 1.25), np.where(wide, 1.15, 0.85))
    reach = reach * np.where((state.position >= 8)[:, None], np.where(state.met, 1.2, _LATE), 1.0)
    reach[:, 1] *= deals.capacity[row]  # a mobilizer has a day job
    reach[state.spiral >= 4] *= np.where(_SENIOR, 0.35, 1.0)
    return np.asarray(reach * deals.energy[row, None])


def _journey(week: _Week, deals: Deals) -> dict[str, np.ndarray]:
    """Micro-moments forward and back (belief 5); `moved` is the moment reached, or -1."""
    state, row = week.state, week.state.row
    pace = np.where(deals.distributed[row], 0.44, 0.56) * np.where(deals.kind[row] == 0, 1.0, 1.2)
    pace = np.clip(pace * (0.5 + 1.4 * week.p), 0.02, 0.9)  # what goes well goes fast
    forward = week.fact("momentum", STRENGTHS["advance"], pace, state.awake & (state.position < 11))
    fell = week.fact("momentum", STRENGTHS["regress"], 0.03, state.awake & (state.position > 2) & ~forward)
    state.position = state.position + forward - 2 * fell
    return {"moved": np.where(forward | fell, state.position, -1)}


def _signals(week: _Week, deals: Deals, age: int) -> Bools:
    """Signals heard this week, shape (living, SIGNALS); motives show in what people say (belief 3)."""
    state, row = week.state, week.state.row
    motive, awake = deals.motive[row], state.awake
    heard = np.zeros((len(row), len(SIGNALS)), dtype=bool)
    told = 0.60 if age < 3 else 0.12
    sights: dict[str, float | Floats] = {
        "competitor_mentioned": np.array([0.003, 0.08, 0.20])[deals.competitors[row]],
        "reference_requested": 0.03,
        "fomo": np.where(motive == 1, told, 0.003),
        "mission_critical": np.where(motive == 0, told, 0.003),
    }
    for name, chance in sights.items():
        heard[:, SIGNALS.index(name)] = week.sight(chance, awake)
    backed = week.fact("motive", STRENGTHS["sponsor_backing"], 0.05, awake & ~state.backed)
    state.backed |= backed
    heard[:, SIGNALS.index("sponsor_backing")] = backed
    heard[:, SIGNALS.index("objection")] = week.fact("momentum", STRENGTHS["objection"], 0.04, awake)
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
    tempted = deals.promising[row] * np.where(state.spiral == 5, 2.0, 1.0)
    free = state.awake & ~state.promise_open & (state.position >= 1) & (state.promises < 4)
    made = week.fact("promises", STRENGTHS["promised"], np.clip(0.04 + 0.20 * tempted, 0.002, 0.6), free)
    kept = week.fact("promises", STRENGTHS["delivered"], 1 - deals.slip[state.feature], due_now)
    slipped = due_now & ~kept
    withdrawn = slipped & (rng.random(len(row)) < 0.12)
    event[made], event[slipped], event[kept], event[withdrawn] = 0, 1, 2, 3
    state.feature = np.where(made, rng.integers(0, 12, len(row)), state.feature)
    wait = np.where(made, rng.integers(2, 6, len(row)), rng.integers(2, 5, len(row)))
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
    honest = 0.04 + 0.08 * (1 - deals.promising[state.row])
    way_out = week.fact("promises", STRENGTHS["beta_or_launch_partner"], honest, state.awake & (phase >= 1))
    for at, name, chance in (
        (1, "new_faces", 0.25), (2, "spiral_competitor", 0.25),
        (3, "metrics_requested", 0.25), (4, "junior_only", 0.25),
    ):  # fmt: skip
        came = week.fact("promises", STRENGTHS[name], chance, state.awake & (phase == at) & ~way_out)
        state.spiral = state.spiral + came
        if name == "spiral_competitor":
            signals[:, SIGNALS.index("competitor_mentioned")] |= came
        if name == "metrics_requested":
            signals[:, SIGNALS.index("metrics_requested")] |= came
    signals[:, SIGNALS.index("beta_or_launch_partner")] |= way_out
    state.spiral = np.where(way_out, 0, state.spiral)


def _qualify(week: _Week, deals: Deals) -> dict[str, np.ndarray]:
    """A question put to both sides until their answers agree (belief 4)."""
    state, row, rng = week.state, week.state.row, week.rng
    question, everyone = rng.integers(0, len(QUESTIONS), len(row)), np.arange(len(row))
    before = state.answers[everyone, question]
    asked = week.sight(0.12 + 0.16 * deals.discipline[row], state.awake & (before < 1))
    base = np.where(before == 0, 0.40, 0.55)
    agreed = week.fact("qualification", STRENGTHS["agreement"], base, asked)
    state.answers[everyone[asked], question[asked]] = agreed[asked]
    return {"question": np.where(asked, question, -1), "agreed": agreed}


def _closing_rate(state: _State, deals: Deals, age: int, p: Floats) -> Floats:
    """Chance that the deal closes at the end of this week: quick wins, slow losses, vetoes that stall.

    Depends on the state alone, so it says nothing about the outcome beyond p.
    """
    row = state.row
    patience = 1 + max(age - 26, 0) / 26  # nobody nurses a deal for years
    rate = (
        0.088
        * min(max(age - 1, 0) / 7, 1.0)
        * patience
        * np.where(state.position < 8, np.exp(1.2 * (p - 0.35)), 1.0)
    )
    rate = rate * np.where(state.position >= 9, 2.2, np.where(state.position >= 5, 1.15, 0.75))
    rate = rate * np.where(deals.distributed[row], 0.8, 1.25) * np.where(deals.kind[row] == 2, 1.35, 1.0)
    rate = rate * np.where(state.present[:, _BLOCKER] & ~state.met[:, _BLOCKER], 0.6, 1.0)
    rate = rate * np.where(state.quiet >= 4, 1.7, 1.0)
    return np.where(age >= MAX_WEEKS - 1, 1.0, np.minimum(rate, 0.6))
