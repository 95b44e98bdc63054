"""Whether any account is learnt from in one window and tested in another."""

import numpy as np

from models.audit.findings import CheckResult
from models.renewal.split import AccountSplit

__all__ = ["account_overlap"]


def account_overlap(rows: AccountSplit) -> CheckResult:
    """The verdict on the split: an account in two windows would let the test flatter, so it stops a run."""
    accounts = np.array(rows.labels["account_id"].to_pylist(), dtype=np.object_)
    windows = {"train": rows.split.train, "calibration": rows.split.calibration, "test": rows.split.test}
    seen = {name: set(accounts[window.known].tolist()) - {None} for name, window in windows.items()}
    shared = sorted(
        (seen["train"] & seen["calibration"])
        | (seen["train"] & seen["test"])
        | (seen["calibration"] & seen["test"])
    )
    counts = ", ".join(f"{len(held):,} {name}" for name, held in seen.items())
    if shared:
        return CheckResult(
            "account_overlap",
            "failed",
            f"{len(shared):,} accounts have labelled rows in two windows (first: {shared[0]!r}).",
            "Make the split with models.renewal.account_split; if it stays so, no figure of it holds.",
            structural=True,
            figures={"accounts": len(shared)},
        )
    return CheckResult(
        "account_overlap",
        "passed",
        f"no account with an outcome in two windows ({counts}; {rows.moved:,} lay in several)",
        structural=True,
        figures={"accounts": 0},
    )
