"""Who will be in the room next: each role's probability of coming to a deal's next meeting."""

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

import lightgbm as lgb
import numpy as np
import pyarrow as pa

from features.meetings import MeetingHistory
from models.arrays import BoolArray, FloatArray, IntArray, deal_codes
from models.boosting import Shape, dataset, fit_booster
from models.calibration import sigmoid
from models.columns import numbers
from models.metrics import log_odds, row_log_loss
from models.room.expected_roles import ExpectedRoles
from models.room.meeting_rows import PastMeetings

__all__ = ["BASELINES", "DEAL_FACTS", "Attendance", "Rows", "attendance_rows"]

Basis = Literal["model", "deal_frequency", "role_frequency"]

BASELINES: tuple[Basis, Basis] = ("role_frequency", "deal_frequency")

_LIKELY = 0.2
"""A role that neither came nor is recorded is asked about if so many won deals alike had engaged it."""

_ROUNDS = 150
_PULLS = (0.5, 1.0, 2.0, 4.0, 8.0)
DEAL_FACTS = (
    "deal_age_days",
    "meetings_held",
    "stakeholders_engaged",
    "roles_engaged",
    "attendance_latest_meeting",
)
"""Columns of the feature frame that say where the deal stands."""


@dataclass(frozen=True)
class Rows:
    """Pairs of snapshot and role that are asked about: the role is recorded, was met, or is expected.

    snapshot, role: the place of each in the frame and among the roles. came, held: the role's past meetings
    of the deal, and the deal's. facts: (n, k), NaN missing. y: 1 if the role came to the next meeting, 0 if
    not, NaN if that is not known. deal: a code that tells deals apart.
    """

    snapshot: IntArray
    role: IntArray
    came: IntArray
    held: IntArray
    facts: FloatArray
    y: FloatArray
    deal: IntArray

    def labelled(self) -> "Rows":
        """Those of known label."""
        return self.where(~np.isnan(self.y))

    def where(self, chosen: BoolArray) -> "Rows":
        """The rows chosen."""
        return Rows(**{name: getattr(self, name)[chosen] for name in self.__dataclass_fields__})


def attendance_rows(
    frame: pa.Table, history: MeetingHistory, expected: ExpectedRoles, *, until_s: int | None = None
) -> Rows:
    """The rows of a feature frame's snapshots; labelled by meetings recorded before `until_s`, if given."""
    roles = expected.roles
    past = PastMeetings.of(frame, history, roles, until_s=until_s)
    share = expected.expected(frame)
    touches = np.column_stack([numbers(frame, f"{role}_touches", "count") for role in roles])
    asked = past.member | (touches > 0) | (past.came > 0) | (np.nan_to_num(share) >= _LIKELY)
    snapshot, role = np.nonzero(asked)
    recency = np.column_stack([numbers(frame, f"days_since_{name}", "number") for name in roles])[asked]
    of_deal = [numbers(frame, name, "number")[snapshot] for name in DEAL_FACTS]
    facts = [
        past.last[asked],
        past.recent[asked],
        past.member[asked],
        share[asked],
        recency,
        touches[asked],
        *of_deal,
    ]
    return Rows(
        snapshot=snapshot.astype(np.int64),
        role=role.astype(np.int64),
        came=past.came[asked],
        held=past.held[snapshot],
        facts=np.column_stack(facts).astype(np.float64),
        y=past.next[asked],
        deal=deal_codes(frame)[snapshot],
    )


@dataclass(frozen=True)
class Attendance:
    """A fitted model of attendance, and the two frequencies that it is held against.

    rates: each role's share of next meetings that it came to. pull: how many meetings' weight that rate has
    in a deal's own frequency of the role. basis: what is served, the model or the better frequency.
    """

    roles: tuple[str, ...]
    rates: tuple[float, ...]
    pull: float
    booster_text: str
    basis: Basis = "model"

    @classmethod
    def fit(cls, rows: Rows, roles: tuple[str, ...], *, seed: int) -> "Attendance | None":
        """Fitted on the labelled rows; None if they have one outcome only."""
        rows = rows.labelled()
        if not 0 < rows.y.sum() < rows.y.size:
            return None
        rates = _rates(rows, len(roles))
        pull = min(_PULLS, key=lambda k: float(row_log_loss(rows.y, _deal_frequency(rows, rates, k)).mean()))
        X, weight = _matrix(rows, rates, pull), np.ones(rows.y.size)
        booster = fit_booster(dataset(X, rows.y, weight, seed=seed), Shape(), rounds=_ROUNDS, seed=seed)
        return cls(roles, tuple(rates.tolist()), pull, booster.model_to_string())

    def predict(self, rows: Rows) -> FloatArray:
        """The probability that is served, by row."""
        return self.predictions(rows)[self.basis]

    def predictions(self, rows: Rows) -> dict[Basis, FloatArray]:
        """The model's probabilities and those of the baselines, by row."""
        rates = np.array(self.rates)
        trees = np.zeros(rows.y.size)
        if rows.y.size:
            X = _matrix(rows, rates, self.pull)
            trees = np.asarray(self._booster.predict(X, raw_score=True, num_threads=1), dtype=np.float64)
        return {
            "model": sigmoid(trees),
            "deal_frequency": _deal_frequency(rows, rates, self.pull),
            "role_frequency": rates[rows.role],
        }

    @cached_property
    def _booster(self) -> lgb.Booster:
        return lgb.Booster(model_str=self.booster_text)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, the trees as LightGBM's own text; `from_dict` gives back an equal object."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "Attendance":
        """The object that `as_dict` described."""
        return cls(**{**stored, "roles": tuple(stored["roles"]), "rates": tuple(stored["rates"])})


def _rates(rows: Rows, roles: int) -> FloatArray:
    """Each role's share of next meetings, drawn to that of all roles by ten rows' weight."""
    came, n = np.bincount(rows.role, rows.y, roles), np.bincount(rows.role, minlength=roles)
    return (came + 10 * rows.y.mean()) / (n + 10)


def _deal_frequency(rows: Rows, rates: FloatArray, pull: float) -> FloatArray:
    """The role's share of the deal's past meetings, drawn to the role's rate."""
    return (rows.came + pull * rates[rows.role]) / (rows.held + pull)


def _matrix(rows: Rows, rates: FloatArray, pull: float) -> FloatArray:
    own = log_odds(_deal_frequency(rows, rates, pull))
    return np.column_stack([own, rates[rows.role], rows.held, rows.facts])
