"""What each belief is truly worth in a simulated world, for reports on worth to be compared with."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["excess_log_loss", "planted_worths"]

Floats = npt.NDArray[np.float64]


def planted_worths(truth: pa.Table, weight: Floats, groups: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Per group the log-loss, in nats, that is lost when its part of the odds is taken at its mean.

    truth: rows of truth.parquet; weight: of each row; groups: beliefs (`strengths.BELIEFS`) by name. The
    loss is the expected one, over what could have happened, so that the outcomes' chance is not in it.
    """
    p = truth["p_win"].to_numpy()
    log_odds = np.log(p / (1 - p))
    worths = {}
    for name, beliefs in groups.items():
        part = np.sum([truth[f"latent_log_odds_{one}"].to_numpy() for one in beliefs], axis=0)
        without = log_odds - part + np.average(part, weights=weight)
        worths[name] = excess_log_loss(p, 1 / (1 + np.exp(-without)), weight)
    return worths


def excess_log_loss(p: Floats, q: Floats, weight: Floats) -> float:
    """How far the expected log-loss of probabilities q lies above that of the true ones p, in nats.

    >>> excess_log_loss(np.array([0.5]), np.array([0.5]), np.ones(1))
    0.0
    """
    loss = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
    return float(np.average(loss, weights=weight))
