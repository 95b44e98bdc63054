"""A small hand-made world of contracts: snapshots before each term, features, the true probability."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from features.feature import Feature, Kind, Measure

END = datetime(2025, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)
HORIZONS = (180, 120, 90, 60, 30)
_INSTANT = pa.timestamp("us", "UTC")


@dataclass(frozen=True)
class RenewalWorld:
    """contracts: the canonical columns that labels need. frame: a feature frame; p_true: row by row."""

    contracts: pa.Table
    frame: pa.Table
    features: tuple[Feature, ...]
    p_true: np.ndarray
    as_of: datetime


def feature(name: str, kind: Kind, family: str = "use") -> Feature:
    return Feature(
        name=name,
        family=family,
        kind=kind,
        unit="",
        description=f"{name}, made by hand.",
        rationale="None.",
        expected="depends",
        sentence=f"{name} is {{value}}",
        absent=f"{name} is not known",
        value=Measure("hand", "current", name),
    )


FEATURES = (
    feature("burn_ratio", "number"),
    feature("is_shelfware", "flag"),
    feature("days_to_term", "number", "contract"),
    feature("industry", "category", "contract"),
    feature("terms_before", "count", "contract"),
)


def make_renewals(
    accounts: int = 250, seed: int = 1, *, as_of: datetime = END, signal: float = 1.6, years: int = 4
) -> RenewalWorld:
    """Yearly contracts, each the last one's renewal, over some years before END; heavy use renews, for more.

    signal: what one unit of ln(use) adds to the log-odds of renewal; 0 leaves nothing to learn.
    """
    rng = np.random.default_rng(seed)
    rows: list[dict[str, object]] = []
    seen: list[dict[str, object]] = []
    truth: list[float] = []
    for account in range(accounts):
        likes = rng.normal(0, 0.7)
        start = END - timedelta(days=int(rng.integers(370, 365 * years + 300)))
        for term in range(years + 1):
            end = start + 365 * DAY
            p = 1 / (1 + np.exp(-(0.6 + signal * likes)))
            renewed = rng.random() < p
            decided = end + timedelta(days=int(rng.integers(-20, 15)))
            contract = f"K{account:04d}-{term}"
            known = decided < as_of
            rows.append({
                "contract_id": contract,
                "account_id": f"A{account:04d}",
                "end_at": end,
                "committed_amount": 1000.0,
                "outcome": ("renewed" if renewed else "churned") if known else None,
                "renewed_amount": round(1000 * np.exp(0.1 + 0.2 * likes + rng.normal(0, 0.15)), 2)
                if known and renewed
                else None,
                "decided_at": decided if known else None,
            })  # fmt: skip
            for days in HORIZONS:
                at = end - days * DAY
                if start < at < as_of and at <= decided:
                    truth.append(p)
                    seen.append({
                        "contract_id": contract,
                        "as_of": at,
                        "burn_ratio": float(np.exp(likes + rng.normal(0, 0.25))),
                        "is_shelfware": bool(likes < -1.2),
                        "days_to_term": float(days),
                        "industry": str(rng.choice(["energy", "health", "retail"])),
                        "terms_before": term,
                    })  # fmt: skip
            if not renewed or end >= END:
                break
            start = end
    order = sorted(range(len(seen)), key=lambda i: (seen[i]["contract_id"], seen[i]["as_of"]))
    contracts = pa.Table.from_pylist(rows, schema=pa.schema([
        ("contract_id", pa.string()), ("account_id", pa.string()), ("end_at", _INSTANT),
        ("committed_amount", pa.float64()), ("outcome", pa.string()), ("renewed_amount", pa.float64()),
        ("decided_at", _INSTANT),
    ]))  # fmt: skip
    frame = pa.Table.from_pylist([seen[i] for i in order], schema=pa.schema([
        ("contract_id", pa.string()), ("as_of", _INSTANT), ("burn_ratio", pa.float64()),
        ("is_shelfware", pa.bool_()), ("days_to_term", pa.float64()), ("industry", pa.string()),
        ("terms_before", pa.int64()),
    ]))  # fmt: skip
    return RenewalWorld(contracts, frame, FEATURES, np.array(truth)[order], as_of)
