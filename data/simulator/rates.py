"""Exchange rates of the simulated world: one a month and currency, now and then restated."""

import numpy as np
import pyarrow as pa

from data.simulator.columns import floats, moments_of, pick
from data.simulator.deals import DAY
from data.simulator.rng import stream
from data.simulator.world import CURRENCIES

__all__ = ["rate_table"]

_HOME = "EUR"
_LEVELS = {"GBP": 1.16, "SEK": 0.088, "USD": 0.92}
"""What one unit is worth in EUR, about."""

_DRIFT = 0.012
"""Standard deviation of a month's change, in logs: some 4 % a year."""

_RESTATED = 0.03
"""Share of rates that are put right some days after the first of the month."""


def rate_table(seed: int, *, origin_s: int, as_of_s: int) -> pa.Table:
    """`exchange_rates` known before as_of, from the month before the first deal on: to EUR, by month.

    A rate holds from the first of the month and is recorded that morning; a restated one a few days later.
    """
    rng = stream(seed, "exchange_rates")
    codes = sorted(set(CURRENCIES) - {_HOME})
    first = np.datetime64(origin_s - 31 * DAY, "s").astype("datetime64[M]")
    months = np.arange(first, np.datetime64(as_of_s, "s").astype("datetime64[M]") + 1)
    shape = (len(months), len(codes))
    walk = np.cumsum(rng.normal(0, _DRIFT, shape), axis=0)
    rate = np.array([_LEVELS[code] for code in codes]) * np.exp(walk)
    starts = np.broadcast_to(months.astype("datetime64[s]").astype(np.int64)[:, None], shape)
    known = starts + rng.integers(5 * 3600, 8 * 3600, (len(months), 1))
    wrong = rng.random(shape) < _RESTATED
    typed = np.where(wrong, rate * (1 + rng.normal(0, 0.02, shape)), rate)
    restated = known + rng.integers(2, 9, shape) * DAY
    month, code = np.nonzero(wrong)
    place = np.concatenate([np.tile(np.arange(len(codes)), len(months)), code])
    known_s = np.concatenate([known.ravel(), restated[month, code]])
    table = pa.table({
        "from_currency": pick(codes, place),
        "to_currency": pick((_HOME,), np.zeros(len(place), np.int64)),
        "rate": floats(np.round(np.concatenate([typed.ravel(), rate[month, code]]), 6)),
        "rate_date": moments_of(np.concatenate([starts.ravel(), starts[month, code]])),
        "known_at": moments_of(known_s),
    })  # fmt: skip
    order = np.lexsort((place, known_s))
    return table.take(order[known_s[order] < as_of_s])
