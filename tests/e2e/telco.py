"""IBM's telco customers as contracts: no dates, so instants are made up by a stated rule."""

import csv
import gzip
import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["FIELDS", "telco_source"]

FIELDS = (
    "gender", "SeniorCitizen", "Partner", "Dependents", "tenure", "PhoneService", "MultipleLines",
    "InternetService", "OnlineSecurity", "OnlineBackup", "DeviceProtection", "TechSupport", "StreamingTV",
    "StreamingMovies", "Contract", "PaperlessBilling", "PaymentMethod", "MonthlyCharges", "TotalCharges",
)  # fmt: skip
"""The columns that become the user's own fields, all but the customer's id and the outcome."""

_FIRST_END, _SPAN_DAYS = datetime(2022, 1, 1, tzinfo=UTC), 1000
_SOON = timedelta(days=40)


def telco_source(file: Path, folder: Path) -> Path:
    """A canonical source in `folder`: a contract and an account per customer, the columns as own fields.

    Each term ends on a day that a hash of the customer's id picks, evenly over 1,000 days, so that time
    tells nothing; it began 40 days before (one snapshot, 30 days before the end) and is decided on its end.
    """
    with gzip.open(file, "rt", newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    ids = [row["customerID"] for row in rows]
    ends = [_FIRST_END + timedelta(days=_place(one)) for one in ids]
    starts = [end - _SOON for end in ends]
    n = len(rows)
    folder.mkdir(parents=True)
    contracts = {
        "contract_id": [f"K-{one}" for one in ids],
        "account_id": ids,
        "start_at": starts,
        "end_at": ends,
        "committed_amount": pa.nulls(n, pa.float64()),
        "outcome": ["churned" if row["Churn"] == "Yes" else "renewed" for row in rows],
        "decided_at": ends,
        "known_at": starts,
        **{f"x_{name.lower()}": [row[name].strip() or None for row in rows] for name in FIELDS},
    }
    pq.write_table(pa.table(contracts), folder / "contracts.parquet")
    accounts = pa.table({"account_id": ids, "created_at": starts, "known_at": starts})
    pq.write_table(accounts, folder / "accounts.parquet")
    none = dict.fromkeys(("opportunity_id", "account_id", "outcome"), pa.array([], pa.string()))
    when = dict.fromkeys(("created_at", "closed_at"), pa.array([], pa.timestamp("us", "UTC")))
    pq.write_table(pa.table({**none, **when}), folder / "opportunities.parquet")
    return folder


def _place(customer: str) -> int:
    return int.from_bytes(hashlib.sha256(customer.encode()).digest()[:4]) % _SPAN_DAYS
