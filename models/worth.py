"""What each family of features, and each belief behind them, is worth on this data.

Some columns stand on every CRM's own page of a deal: the baseline. They stay in every model, and count as
no family's. Worth is a difference of out-of-time log-loss on the same test rows: of the model without a
family against the full one (what it adds to all others), and of the baseline against the baseline with the
family (what it adds on its own). Every model is fitted anew, with the same shape of trees and a number of
rounds of its own, and that three times, since a fit's own chance is as large as many a worth. Intervals are
drawn over test deals and fits; they do not hold the chance of another training set. The document is told in
docs/worth.md.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from features.feature import FAMILIES, Feature
from models.ablation import Bench, bench
from models.arrays import BoolArray, FloatArray
from models.boosting import Shape
from models.calibration import sigmoid
from models.feature_worth import SMALL_SHARE, contribution_shares, feature_worths, filled_columns
from models.metrics import Resampling, log_loss, row_log_loss
from models.split import Split
from models.win_model import WinModel

__all__ = ["BASELINE", "BASELINE_FEATURES", "BELIEFS", "Belief", "Worth", "measure_worth", "worth_sentence"]

BASELINE_FEATURES = (
    "stage", "stage_position", "deal_age_days", "crm_stage_probability", "forecast_category",
    "days_to_expected_close", "amount", "currency", "type", "lead_source",
)  # fmt: skip
"""What every CRM shows on a deal's own page: in every model, and no family's."""

BASELINE = "baseline"

_OVERALL = ("full", "baseline", "base_rate")
_REPLICATES = 500
_NOISE = (
    "The full model is not better than the base rate by more than noise on this data: what is said of its "
    "parts is noise."
)


@dataclass(frozen=True)
class Belief:
    """Families that test one belief and can stand in for one another; `number` as in the design, or 0."""

    number: int
    name: str
    title: str
    families: tuple[str, ...]


BELIEFS = (
    Belief(1, "buying_group", "The whole buying group decides", ("stakeholders", "touchpoints")),
    Belief(2, "promises", "Promises kill deals", ("promises",)),
    Belief(3, "motive", "Mission-critical work renews", ("motive",)),
    Belief(4, "qualification", "Qualification is mutual", ("qualification",)),
    Belief(5, "moments", "A purchase is a series of micro-moments", ("momentum", "journey")),
    Belief(0, "commercial", "Deal, customer and seller", ("commercial",)),
    Belief(0, "custom", "Your own fields", ("custom",)),
)


@dataclass(frozen=True)
class Worth:
    """What worth.json holds, a full model that it describes, and the rows that it was computed from.

    predictions: opportunity_id, as_of, y, weight, fit (0, 1, …), then a probability per model: full,
    baseline, base_rate, and without_<name> and alone_<name> for each family and belief with a filled column.
    """

    document: dict[str, Any]
    model: WinModel
    predictions: pa.Table


def measure_worth(
    frame: pa.Table,
    labels: pa.Table,
    split: Split,
    features: Sequence[Feature],
    *,
    shape: Shape,
    seed: int = 0,
    fits: int = 3,
    on_step: Callable[[str], None] | None = None,
) -> Worth:
    """The worth of each family, belief and feature: about twenty sets of columns, each fitted `fits` times.

    frame, labels: row for row alike; split: not thin. shape: settled beforehand, on the train window.
    Above 60,000 training rows a seeded sample of deals is fitted on.
    """
    made = bench(frame, labels, split, features, shape=shape, seed=seed)
    trials = _Trials(made, fits, on_step or (lambda _: None))
    family = [BASELINE if one.name in BASELINE_FEATURES else one.family for one in made.features]
    present = [one for one in FAMILIES.values() if one.name in family]
    beliefs = [one for one in BELIEFS if set(one.families) & set(family)]
    of = {BASELINE: BASELINE} | {name: belief.name for belief in beliefs for name in belief.families}
    _, parts = trials.full.contributions_of(made.test.X)
    family_share = contribution_shares(parts, family, made.test.weight)
    belief_share = contribution_shares(parts, [of[name] for name in family], made.test.weight)
    ranked = feature_worths(
        trials.full, made.features, made.test, filled=trials.filled, resampling=trials.resampling
    )
    document = {
        "schema_version": 1,
        "as_of": split.as_of.isoformat(),
        "rows": _rows(made),
        "shape": asdict(shape),
        "fits": fits,
        **trials.overall(),
        "baseline": {
            "columns": [one.name for one in made.features if one.name in BASELINE_FEATURES],
            **family_share.get(BASELINE, {}),
        },
        "families": [
            {
                "name": one.name,
                "title": one.title,
                **family_share[one.name],
                **trials.worth(one.name, (one.name,)),
            }
            for one in present
        ],
        "beliefs": [
            {**asdict(one), **belief_share[one.name], **trials.worth(one.name, one.families)}
            for one in beliefs
        ],
        "features": ranked,
        "small_share": SMALL_SHARE,
        "candidates": [row["feature"] for row in ranked if row["candidate"]],
    }
    tested = labels.filter(pa.array(split.test.known)).select(["opportunity_id", "as_of", "y"])
    return Worth(document, trials.full, trials.predictions(tested))


class _Trials:
    """Models of sets of columns, fitted when first asked for, and compared on the test rows.

    Probabilities are (fits, test rows).
    """

    def __init__(self, made: Bench, fits: int, say: Callable[[str], None]) -> None:
        self._bench, self._n_fits, self._say = made, fits, say
        self._family = np.array([one.family for one in made.features])
        self._baseline = np.array([one.name in BASELINE_FEATURES for one in made.features])
        self.filled = filled_columns(made.train.X, [one.kind for one in made.features])
        self.resampling = Resampling.over(made.test.deal, replicates=_REPLICATES, seed=made.seed)
        every = np.ones(self._family.size, dtype=bool)
        base_rate = np.full((fits, made.test.y.size), np.average(made.train.y, weights=made.train.weight))
        self._known = {(every & False).tobytes(): base_rate}
        say("fitting the full model")
        full = made.models(every, fits=fits)
        self.full = full[0]
        self._known[self.filled.tobytes()] = _predicted(full, made.test.X)
        self._p = {
            "full": self._of(every),
            "baseline": self._of(self._baseline),
            "base_rate": base_rate,
        }

    def overall(self) -> dict[str, Any]:
        """Log-loss of the full model, the baseline and the base rate; what the full one saves on the rate."""
        saved = self._gain("full", "base_rate")
        return {
            "log_loss": {name: self._loss(name) for name in _OVERALL},
            "versus_base_rate": saved,
            "notes": [] if (saved["lower_bound"] or 0) > 0 else [_NOISE],
        }

    def worth(self, name: str, families: tuple[str, ...]) -> dict[str, Any]:
        """What these families' columns are worth left out and alone; None where no column is filled."""
        mine = np.isin(self._family, families) & ~self._baseline
        left_out, alone = None, None
        if (mine & self.filled).any():
            self._p[f"without_{name}"] = self._of(~mine)
            self._p[f"alone_{name}"] = self._of(mine | self._baseline)
            left_out = self._gain("full", f"without_{name}")
            alone = self._gain(f"alone_{name}", "baseline")
        return {
            "columns": int(mine.sum()),
            "filled_columns": int((mine & self.filled).sum()),
            "left_out": left_out,
            "alone": alone,
            "sentence": worth_sentence(left_out),
        }

    def predictions(self, tested: pa.Table) -> pa.Table:
        """The test rows' keys and outcomes once per fit, their weights, and every model's probabilities."""
        tested = tested.append_column("weight", pa.array(self._bench.test.weight))
        every = pa.concat_tables([tested] * self._n_fits)
        every = every.append_column("fit", pa.array(np.repeat(np.arange(self._n_fits), tested.num_rows)))
        for name, p in self._p.items():
            every = every.append_column(name, pa.array(p.ravel()))
        return every

    def _of(self, chosen: BoolArray) -> FloatArray:
        # columns that say nothing teach nothing: sets that differ in such alone are one
        chosen = chosen & self.filled
        key = chosen.tobytes()
        if key not in self._known:
            self._say(f"set {len(self._known)}, {int(chosen.sum())} columns, {self._n_fits} fits")
            models = self._bench.models(chosen, fits=self._n_fits)
            self._known[key] = _predicted(models, self._bench.test.X[:, chosen])
        return self._known[key]

    def _loss(self, name: str) -> float:
        test = self._bench.test
        return float(np.mean([log_loss(test.y, p, test.weight) for p in self._p[name]]))

    def _gain(self, name: str, other: str) -> dict[str, Any]:
        """How much lower a model's log-loss is than another's, with the interval over deals and fits."""
        test, draws = self._bench.test, self.resampling
        pairs = zip(self._p[name], self._p[other], strict=True)
        gains = [row_log_loss(test.y, q) - row_log_loss(test.y, p) for p, q in pairs]
        value = float(np.mean([np.average(gain, weights=test.weight) for gain in gains]))
        by_fit = np.stack([draws.means(gain, test.weight) for gain in gains])
        picked = np.random.default_rng(self._bench.seed).integers(len(gains), size=by_fit.shape)
        drawn = np.take_along_axis(by_fit, picked, axis=0).mean(axis=0)
        kept = drawn[np.isfinite(drawn)]
        if draws.counts.shape[1] < 2 or not kept.size:
            return {"difference": value, "interval": None, "lower_bound": None}
        low, bound, high = (float(point) for point in np.quantile(kept, (0.025, 0.05, 0.975)))
        return {"difference": value, "interval": [low, high], "lower_bound": bound}


def _predicted(models: Sequence[WinModel], X: FloatArray) -> FloatArray:
    return np.stack([sigmoid(model.log_odds_of(X)) for model in models])


def _rows(made: Bench) -> dict[str, int]:
    return {
        "train": int(made.train.y.size),
        "test": int(made.test.y.size),
        "test_deals": int(np.unique(made.test.deal).size),
    }


def worth_sentence(gain: Mapping[str, Any] | None) -> str:
    """A worth in words, with its 95 % interval, in nats of log-loss; None says that there is no column.

    >>> worth_sentence({"difference": 0.021, "interval": [0.012, 0.030]})
    'worth 0.021 (0.012 to 0.030) of log-loss'
    >>> worth_sentence({"difference": 0.001, "interval": [-0.002, 0.004]})
    'not distinguishable from nothing: 0.001 (-0.002 to 0.004) of log-loss'
    """
    if gain is None:
        return "absent: this data fills none of its columns"
    figure = f"{gain['difference']:.3f}"
    if gain["interval"] is None:
        return f"{figure} of log-loss, without an interval: too few deals"
    low, high = gain["interval"]
    shown = f"{figure} ({low:.3f} to {high:.3f}) of log-loss"
    if low > 0:
        return f"worth {shown}"
    if high < 0:
        return f"costs log-loss: {shown}; the model is better without it"
    return f"not distinguishable from nothing: {shown}"
