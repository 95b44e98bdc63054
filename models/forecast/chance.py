"""Random numbers and shock levels of a simulation.

Every deal, contract and cell has a stream of its own, keyed by the seed and its name: what happens to one of
them in a draw does not depend on which others are in the book. So a scenario that touches one deal leaves all
others as they were, and two runs' books are drawn alike where they are alike.
"""

from dataclasses import dataclass
from hashlib import blake2b
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from models.arrays import FloatArray, IntArray
from models.calibration import sigmoid
from models.forecast.shocks import centred

__all__ = ["Levels", "factors", "level_shocks", "lognormal_sd", "persistent_scores", "stream"]

Uniforms = npt.NDArray[np.float32]


def stream(seed: int, kind: str, name: str = "") -> np.random.Generator:
    """The random numbers of one thing."""
    digest = blake2b(f"{seed}\0{kind}\0{name}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


def normal_scores(n: int) -> FloatArray:
    """n standard normal values at equal steps of probability, rising, with variance exactly 1."""
    scores = np.array([NormalDist().inv_cdf((i + 0.5) / n) for i in range(n)])
    return scores / max(float(np.sqrt((scores**2).mean())), 1e-300) if n > 1 else scores


def factors(draws: int, sd: float, seed: int, kind: str) -> FloatArray:
    """One factor per draw, shape (draws,): log-normal with log sd `sd`, their mean exactly 1."""
    made = np.exp(sd * stream(seed, kind).permutation(normal_scores(draws)))
    return made / made.mean()


def persistent_scores(draws: int, months: int, persistence: float, seed: int, name: str) -> FloatArray:
    """Standard normal paths, shape (months, draws), each month correlated with the one before."""
    steps = stream(seed, "path", name).standard_normal((months, draws))
    fresh = np.sqrt(1.0 - persistence**2)
    for month in range(1, months):
        steps[month] = persistence * steps[month - 1] + fresh * steps[month]
    return steps


def lognormal_sd(relative_sd: FloatArray) -> FloatArray:
    """The log sd of a log-normal quantity whose sd is the given share of its mean."""
    return np.sqrt(np.log1p(relative_sd**2))


@dataclass(frozen=True)
class Levels:
    """The levels that a shock in log-odds takes, and the level of each draw.

    shifts: shape (k,), equally likely, in log-odds. of_draw: shape (draws,). A shock is the same for all
    that it touches, so chances are worked out once per level, not once per draw.
    """

    shifts: FloatArray
    of_draw: IntArray

    def chances(self, log_odds: FloatArray) -> FloatArray:
        """Probabilities at each level, shape (..., k), whose mean over levels is that of `log_odds`."""
        flat = centred(log_odds.reshape(-1), self.shifts)
        at = sigmoid(flat[:, None] + self.shifts)
        return at.reshape(*log_odds.shape, self.shifts.size)

    def shares(self, share: FloatArray) -> FloatArray:
        """Shares (0 to 1) at each level, shape (..., k), moved in log-odds; 0 stays 0 and 1 stays 1."""
        held = np.clip(share, 0.0, 1.0)
        with np.errstate(divide="ignore"):
            return self.chances(np.log(held) - np.log1p(-held))


def level_shocks(
    draws: int, chance_sd: float, share_sd: float, seed: int, kind: str, counts: tuple[int, int]
) -> tuple[Levels, Levels]:
    """Levels of two shocks that are independent: every pair of levels has as many draws, to one.

    counts: how many levels each has; one where its size is zero.
    """
    n_chance, n_share = (n if sd else 1 for n, sd in zip(counts, (chance_sd, share_sd), strict=True))
    pair = stream(seed, kind).permutation(draws) % (n_chance * n_share)
    chance = Levels(chance_sd * normal_scores(n_chance), pair // n_share)
    return chance, Levels(share_sd * normal_scores(n_share), pair % n_share)
