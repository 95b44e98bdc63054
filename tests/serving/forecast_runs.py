"""Published runs with a forecast, small enough to be worked out by hand."""

from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa

from models.calibration import sigmoid
from models.forecast.shocks import Shocks
from serving.forecast import CLOSED_FILE, forecast_tables
from serving.forecast_book import ABOUT, forecast_about
from serving.forecast_series import CONSUMPTION_FILE
from serving.publish import Publication, publish
from serving.published import open_published
from serving.timing import KNOTS, TIMING, timing_table

AS_OF = datetime(2026, 11, 21, tzinfo=UTC)
RATES = {"EUR": 1.0, "USD": 0.5}


def deal(one, p=0.5, amount=100.0, *, currency="EUR", kind="new", account="acme", region="north", days=120):
    """An open deal that, if it is won, is won evenly over so many days."""
    return {
        "opportunity_id": one, "p": p, "amount": amount, "currency": currency, "type": kind,
        "account_id": account, "account": account.title(), "name": f"Deal {one}", "region": region,
        "segment": "retail", "owner_id": "U1", "owner": "Ann", "days": days,
    }  # fmt: skip


def renewal(one, p=0.8, end=date(2026, 12, 15), committed=1000.0, *, currency="EUR", account="acme"):
    ends = None if end is None else datetime(end.year, end.month, end.day, tzinfo=UTC)
    return {
        "contract_id": one, "account_id": account, "account": account.title(), "region": "north",
        "segment": "retail", "currency": currency, "committed_amount": committed, "end_at": ends,
        "p_renew": p, "log_odds": float(np.log(p / (1 - p))), "ratio_if_renewed": 1.1,
        "ratio_if_renewed_sd": 0.0, "model_version": "renewal-1",
    }  # fmt: skip


def used(start, mean, *, account="acme", product="core", after=0.0, half=0.0, level="account_product"):
    """A row of the consumption forecast; half: half the width of the 80 % interval."""
    return {
        "level": level, "account_id": account, "product": product, "region": "north", "segment": "retail",
        "period_start": start, "mean": mean, "low80": mean - half, "high80": mean + half,
        "after_term": after, "currency": "EUR",
    }  # fmt: skip


def tables(deals=(), renewals=(), consumption=(), closed=None):
    """The tables of a run by file name."""
    rows = sorted(deals, key=lambda row: row["opportunity_id"])
    p = np.array([row["p"] for row in rows], dtype=float)
    shares = np.array([[min(knot / row["days"], 1.0) for knot in KNOTS] for row in rows]).reshape(
        -1, len(KNOTS)
    )
    ids = pa.array([row["opportunity_id"] for row in rows], pa.string())
    facts = {
        name: pa.array([row[name] for row in rows], pa.float64() if name == "amount" else pa.string())
        for name in (
            "name", "account_id", "account", "region", "segment", "owner_id", "owner", "type",
            "currency", "amount",
        )
    }  # fmt: skip
    logits = np.log(p) - np.log1p(-p)
    found = {
        "win_scores.parquet": pa.table({
            "opportunity_id": ids, "as_of": pa.array([AS_OF] * len(rows), pa.timestamp("us", "UTC")),
            "p_win": sigmoid(logits), "log_odds": logits, "base_log_odds": np.zeros(len(rows)),
            "model_version": pa.array(["win-1"] * len(rows), pa.string()),
        }),
        "win_deals.parquet": pa.table({"opportunity_id": ids, **facts}),
        TIMING: timing_table(ids, p, p[:, None] * shares),
    }  # fmt: skip
    if renewals:
        found["renewal_scores.parquet"] = pa.Table.from_pylist(
            sorted(renewals, key=lambda row: row["contract_id"])
        )
    if consumption:
        found[CONSUMPTION_FILE] = pa.Table.from_pylist(list(consumption))
    if closed is not None:
        found[CLOSED_FILE] = pa.Table.from_pylist(closed)
    return found


def closed(one, won, amount, currency="EUR"):
    return {"opportunity_id": one, "won": won, "closed_at": AS_OF, "amount": amount, "currency": currency}


def about(**changed):
    settings = {
        "currency": "EUR", "rates": RATES, "horizon_months": 3, "draws": 200, "seed": 7,
        "shocks": Shocks.none(), "new": None,
    }  # fmt: skip
    return forecast_about(**{**settings, **changed})


def published(workspace, run_id, held, *, as_of=AS_OF, facts=None, before=None):
    """The run, published and opened again."""
    facts = facts or about()
    made = forecast_tables(held, as_of=as_of, about=facts, before=before)
    scores = held["win_scores.parquet"]
    empty = pa.table({"opportunity_id": pa.array([], pa.string())})
    plain = pa.table({"opportunity_id": scores["opportunity_id"], "stage": scores["log_odds"]})
    further = {
        name: table for name, table in held.items() if name not in ("win_scores.parquet", "win_deals.parquet")
    }
    publish(
        workspace,
        run_id,
        Publication(
            as_of, "win-1", "f" * 64, scores, plain, plain, empty, empty, held["win_deals.parquet"],
            further={**further, **made}, about={ABOUT: facts},
        ),
    )  # fmt: skip
    return open_published(workspace, run_id)
