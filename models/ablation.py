"""Models of any set of columns, fitted on rows that are encoded once.

What is learnt by the encoder is learnt column by column, so a model of some columns is the very one that
would come out if the others had never been there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from features.feature import Feature
from models.arrays import BoolArray, deal_codes
from models.boosting import Rows, Shape, fit_with_early_stopping
from models.directions import held_directions
from models.encoding import Encoder
from models.linear import LinearPart
from models.search import MAX_SEARCH_ROWS, Found, grown, inner_rows, sample_of_deals
from models.split import Split, inner_split
from models.training import CALIBRATION_DEAL_POWER, fit_encoder, fit_rows, window_rows
from models.win_model import WinModel

__all__ = ["Bench", "bench"]

_MOST_TRAIN_ROWS = 60_000
_ROUNDS_WITHOUT_VALIDATION = 60


@dataclass(frozen=True)
class Bench:
    """The windows' rows with every column, and the settings that all fits share.

    inner: parts of the train window by which each set of columns gets its number of rounds; None where it
    is too thin. grown: rounds for all training rows from the best on the inner ones.
    """

    features: tuple[Feature, ...]
    encoder: Encoder
    train: Rows
    calibration: Rows
    test: Rows
    inner: tuple[Rows, Rows] | None
    grown: Callable[[int], int]
    shape: Shape
    seed: int

    def models(self, chosen: BoolArray, *, fits: int) -> tuple[WinModel, ...]:
        """Calibrated models of the chosen columns, alike but for their seed: `seed`, `seed` + 1, …

        Each has the number of rounds that its own early stopping found.
        """
        kept = np.flatnonzero(chosen).tolist()
        encoder = replace(self.encoder, columns=tuple(self.encoder.columns[i] for i in kept))
        held = [held_directions(self.features)[i] for i in kept]
        train, calibration = self.train.only(kept), self.calibration.only(kept)
        inner = None if self.inner is None else tuple(part.only(kept) for part in self.inner)
        line: LinearPart | None = None
        models = []
        for seed in range(self.seed, self.seed + fits):
            found = Found(self.shape, self._rounds(inner, held, seed), ())
            model = fit_rows(encoder, train, calibration, found=found, held=held, seed=seed, line=line)
            line = model.linear
            models.append(model)
        return tuple(models)

    def _rounds(self, inner: tuple[Rows, ...] | None, held: Sequence[int], seed: int) -> int:
        if inner is None:
            return _ROUNDS_WITHOUT_VALIDATION
        fit, validation = inner
        binned = fit.binned(seed)
        best, _ = fit_with_early_stopping(
            binned, validation.binned(seed, binned), self.shape, seed=seed, held=held
        )
        return self.grown(best)


def bench(
    frame: pa.Table,
    labels: pa.Table,
    split: Split,
    features: Sequence[Feature],
    *,
    shape: Shape,
    seed: int,
) -> Bench:
    """Encode the windows of a split. Above 60,000 training rows a seeded sample of deals is fitted on."""
    features = tuple(features)
    deals = deal_codes(labels)
    sampled = sample_of_deals(deals, split.train.known, seed, most=_MOST_TRAIN_ROWS)
    window = replace(split.train, known=split.train.known & sampled)
    encoder, train = fit_encoder(frame, labels, window, features)
    windows = inner_split(labels, split)
    inner = None
    if windows is not None:
        few = sample_of_deals(deals, windows[0].known | windows[1].known, seed, most=MAX_SEARCH_ROWS)
        inner = inner_rows(frame, labels, windows, features, sampled=few, deal_power=0.0)
    return Bench(
        features=features,
        encoder=encoder,
        train=train,
        calibration=window_rows(frame, labels, split.calibration, encoder, deal_power=CALIBRATION_DEAL_POWER),
        test=window_rows(frame, labels, split.test, encoder),
        inner=inner,
        grown=lambda rounds: rounds if windows is None else grown(rounds, split, windows),
        shape=shape,
        seed=seed,
    )
