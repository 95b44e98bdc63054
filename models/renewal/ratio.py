"""How much a contract renews for: renewed ÷ committed amount, given that it renews, and its spread.

Three ways to the middle of the ratio: one figure for all, the median by band of use, trees. The plainer
stays unless the next is better on later contracts by more than noise. The spread is that of the errors on
those contracts (split-conformal), so it needs no shape; it is the same for every contract in log scale.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

import lightgbm as lgb
import numpy as np
import pyarrow as pa

from data.errors import ModelContractError
from models.arrays import FloatArray, IntArray
from models.boosting import fixed_params
from models.metrics import Resampling
from models.renewal.bands import UseBands

__all__ = ["INTERVAL", "RatioModel", "RatioRows", "fit_ratio", "weighted_quantile"]

INTERVAL = (0.1, 0.9)
"""The levels of the interval: eight in ten contracts should lie within."""

_ROUNDS = 80
_SHAPE = {"learning_rate": 0.05, "num_leaves": 4, "min_data_in_leaf": 20, "lambda_l2": 5.0}
_TAIL = 0.02
_GRID = 199
_ENOUGH = 10
"""With fewer renewed contracts to judge by, one figure for all it is."""
_BAND_PULL = 10.0


@dataclass(frozen=True)
class RatioRows:
    """Rows of renewed contracts with a known ratio: frame, encoded X (n, k), the others of shape (n,)."""

    frame: pa.Table
    X: FloatArray
    ratio: FloatArray
    weight: FloatArray
    contract: IntArray
    account: IntArray

    @property
    def contracts(self) -> int:
        """How many contracts the rows are of."""
        return int(np.unique(self.contract).size)


@dataclass(frozen=True)
class RatioModel:
    """The ratio of renewed to committed amount, given renewal; `kind` says by which way.

    constant, band_medians: natural logs of ratios. errors: quantiles of ln(ratio) less its middle at evenly
    spaced levels, on contracts that the middle was not learnt from; contracts: how many those were. judged:
    mean absolute error of each way in log scale, on them. note: what a user should know (empty if nothing).
    """

    kind: Literal["constant", "bands", "trees"]
    constant: float
    bands: UseBands
    band_medians: tuple[float, ...]
    booster_text: str
    errors: tuple[float, ...]
    contracts: int
    judged: dict[str, float]
    note: str = ""

    def middle(self, frame: pa.Table, X: FloatArray) -> FloatArray:
        """ln of the middle of the ratio, one per row. X: the rows as the chance model encodes them."""
        if self.kind == "trees" and frame.num_rows:
            return np.asarray(self._booster.predict(X, num_threads=1), dtype=np.float64)
        if self.kind == "bands":
            return np.array(self.band_medians)[self.bands.of(frame)]
        return np.full(frame.num_rows, self.constant)

    def sd_of(self, mean: FloatArray) -> FloatArray:
        """The standard deviation of ratios of such means, if renewed."""
        spread = np.exp(self.errors)
        return np.asarray(mean * (spread.std() / spread.mean()), dtype=np.float64)

    def given_renewal(self, frame: pa.Table, X: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Mean, and the ends of the 80 % interval, of the ratio if the contract renews, one per row."""
        middle = self.middle(frame, X)
        low, high = (self._error_at(np.full(middle.size, level)) for level in INTERVAL)
        return np.exp(middle) * self._mean_factor, np.exp(middle + low), np.exp(middle + high)

    def expected(
        self, frame: pa.Table, X: FloatArray, p_renew: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Mean, and the ends of the 80 % interval, of the ratio with churn as 0, one per row.

        The interval is that of the mixture: 0 with 1 - p_renew, else the ratio if it renews.
        """
        middle = self.middle(frame, X)
        ends = []
        for level in INTERVAL:
            within = (level - (1 - p_renew)) / np.maximum(p_renew, 1e-12)
            ends.append(np.where(within > 0, np.exp(middle + self._error_at(within)), 0.0))
        return p_renew * np.exp(middle) * self._mean_factor, ends[0], ends[1]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `from_dict` gives back an equal model."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "RatioModel":
        """The model that `as_dict` described."""
        bands = UseBands(stored["bands"]["column"], tuple(stored["bands"]["edges"]))
        medians, errors = tuple(stored["band_medians"]), tuple(stored["errors"])
        return cls(**{**stored, "bands": bands, "band_medians": medians, "errors": errors})

    @cached_property
    def _booster(self) -> lgb.Booster:
        return lgb.Booster(model_str=self.booster_text)

    @property
    def _mean_factor(self) -> float:
        """Mean ratio ÷ its middle: the mean of what the errors do to it (Duan's smearing estimate, 1983)."""
        return float(np.mean(np.exp(self.errors)))

    def _error_at(self, level: FloatArray) -> FloatArray:
        """The error at a level, moved outwards by what a sample of `contracts` misses (split-conformal)."""
        n = max(self.contracts, 1)
        outer = np.where(level < 0.5, 1 - (1 - level) * (n + 1) / n, level * (n + 1) / n)
        place = np.clip(outer, 0.0, 1.0) * (len(self.errors) - 1)
        return np.interp(place, np.arange(len(self.errors)), np.array(self.errors))


def fit_ratio(train: RatioRows, later: RatioRows, *, seed: int) -> RatioModel:
    """The ratio model of training rows, its way chosen and its spread measured on later ones.

    Without a known ratio at all it is 1 for every contract, said in the note.
    """
    if not train.contracts:
        note = "No renewed contract has both amounts: each is taken to renew at its committed amount."
        return RatioModel("constant", 0.0, UseBands("", ()), (), "", (0.0,), 0, {}, note)
    ways = _ways(train, seed)
    judge, note = later, ""
    if later.contracts < _ENOUGH:
        ways, judge = ways[:1], train
        note = (
            f"Only {later.contracts} later contracts tell how far renewals stray from the median ratio: its "
            "spread is that of the contracts it was learnt from."
        )
    by_contract = _once_per_contract(judge)
    errors = [np.log(judge.ratio) - way.middle(judge.frame, judge.X) for way in ways]
    chosen = _plainest_unbeaten(errors, by_contract, judge.account, seed)
    levels = np.linspace(0, 1, _GRID)
    spread = weighted_quantile(errors[chosen], by_contract, levels)
    judged = {
        way.kind: float(np.average(np.abs(error), weights=by_contract))
        for way, error in zip(ways, errors, strict=True)
    }
    return RatioModel(
        **{
            **vars_of(ways[chosen]),
            "errors": tuple(spread.tolist()),
            "contracts": judge.contracts,
            "judged": judged,
            "note": note,
        }
    )


def weighted_quantile(values: FloatArray, weight: FloatArray, levels: FloatArray) -> FloatArray:
    """Quantiles of weighted values, linear between the middles of their weights.

    >>> weighted_quantile(np.array([1.0, 3.0]), np.array([1.0, 1.0]), np.array([0.5])).tolist()
    [2.0]
    """
    order = np.argsort(values, kind="stable")
    mass = np.cumsum(weight[order]) - weight[order] / 2
    return np.interp(levels, mass / weight.sum(), values[order])


def vars_of(model: RatioModel) -> dict[str, Any]:
    """A model's fields by name, as they are."""
    return {name: getattr(model, name) for name in RatioModel.__dataclass_fields__}


def _ways(train: RatioRows, seed: int) -> list[RatioModel]:
    """The three ways, the plainest first, fitted on training rows; their errors are not known yet."""
    logged, weight = np.log(train.ratio), _once_per_contract(train)
    constant = float(weighted_quantile(logged, weight, np.array([0.5]))[0])
    bands = UseBands.fit(train.frame)
    place = bands.of(train.frame)
    medians = []
    for band in range(bands.n):
        here = place == band
        # each band starts as if ten contracts had renewed at the median of all
        held = np.append(logged[here], constant), np.append(weight[here], _BAND_PULL)
        medians.append(float(weighted_quantile(*held, np.array([0.5]))[0]))
    low, high = np.quantile(logged, [_TAIL, 1 - _TAIL])
    rows = lgb.Dataset(train.X, label=np.clip(logged, low, high), weight=weight, params=_params(seed))
    booster = lgb.train(_params(seed), rows, num_boost_round=_ROUNDS)
    plain = RatioModel("constant", constant, bands, tuple(medians), "", (0.0,), 0, {})
    with_bands = [RatioModel(**{**vars_of(plain), "kind": "bands"})] if bands.column else []
    return [
        plain,
        *with_bands,
        RatioModel(**{**vars_of(plain), "kind": "trees", "booster_text": booster.model_to_string()}),
    ]


def _params(seed: int) -> dict[str, Any]:
    return fixed_params(seed) | _SHAPE | {"objective": "regression", "metric": "l2"}


def _once_per_contract(rows: RatioRows) -> FloatArray:
    """Weights by which each contract's rows count as one contract together, mean 1 per contract."""
    total = np.bincount(rows.contract, rows.weight, minlength=int(rows.contract.max()) + 1)[rows.contract]
    n = np.bincount(rows.contract)[rows.contract]
    mean = total / n
    weight = rows.weight / n
    if not np.isfinite(mean).all() or weight.sum() <= 0:
        raise ModelContractError(
            "Ratio of renewals: expected rows of positive weight, found none. Label the contracts again."
        )
    return weight * (rows.contracts / weight.sum())


def _plainest_unbeaten(errors: list[FloatArray], weight: FloatArray, account: IntArray, seed: int) -> int:
    """The place of the plainest way that no later one beats by more than noise, over draws of accounts."""
    drawn = Resampling.over(account, seed=seed)
    chosen = 0
    for place in range(1, len(errors)):
        gain = np.abs(errors[chosen]) - np.abs(errors[place])
        means = drawn.means(gain, weight)
        kept = means[np.isfinite(means)]
        if kept.size and np.quantile(kept, 0.05) > 0:
            chosen = place
    return chosen
