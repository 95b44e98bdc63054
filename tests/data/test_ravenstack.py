"""The mapping of subscriptions: quarters without look-ahead, use where it can be, no deals."""

import csv
import gzip
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.data.sources import load, rows

_SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "ravenstack_saas"

SOURCE = {
    "ravenstack_accounts": (
        "account_id,account_name,industry,country,signup_date,referral_source,plan_tier,seats,is_trial,churn_flag\n"
        "A1,Acme,EdTech,US,2024-01-01,ads,Basic,9,FALSE,TRUE\n"
    ),
    "ravenstack_subscriptions": (
        "subscription_id,account_id,start_date,end_date,plan_tier,seats,mrr_amount,is_trial,churn_flag,"
        "billing_frequency,auto_renew_flag\n"
        "S1,A1,2024-01-31,,Pro,5,100,FALSE,FALSE,monthly,TRUE\n"
        "S2,A1,2024-02-10,2024-06-01,Basic,2,50,FALSE,TRUE,annual,TRUE\n"
        "S3,A1,2024-02-10,2024-05-10,Basic,2,50,FALSE,TRUE,annual,FALSE\n"
        "S4,A1,2024-08-01,,Basic,2,0,TRUE,FALSE,annual,FALSE\n"
    ),
    "ravenstack_feature_usage": (
        "usage_id,subscription_id,usage_date,feature_name,usage_count\n"
        "U1,S1,2024-01-30,f1,3\nU2,S1,2024-04-29,f1,4\nU3,S1,2024-04-30,f1,5\nU4,S2,2024-06-01,f2,6\n"
        "U5,S2,2024-06-02,f2,7\nU6,S3,2024-05-10,f2,8\nU6,S1,2024-08-15,f2,9\n"
    ),
    "ravenstack_support_tickets": "ticket_id,account_id,submitted_at,priority\nT1,A1,2024-03-01,high\n",
}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    write(tmp_path / "in", SOURCE)
    load(tmp_path / "in", tmp_path / "w", "ravenstack")
    return tmp_path / "w"


def write(folder: Path, tables: dict[str, str]) -> None:
    folder.mkdir()
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text)


def test_a_subscription_is_cut_into_quarters_and_each_is_decided_by_what_is_known_at_its_end(
    workspace: Path,
) -> None:
    found = rows(
        workspace,
        "SELECT contract_id, start_at::DATE, end_at::DATE, outcome, decided_at::DATE, known_at::DATE, "
        "committed_amount, renewed_amount FROM contracts ORDER BY contract_id",
    )
    day = date.fromisoformat
    assert [(row[0], *(one and str(one) for one in row[1:6])) for row in found] == [
        ("S1-1", "2024-01-31", "2024-04-30", "renewed", "2024-04-30", "2024-01-31"),
        ("S1-2", "2024-04-30", "2024-07-31", "renewed", "2024-07-31", "2024-04-30"),
        ("S1-3", "2024-07-31", "2024-10-31", None, None, "2024-07-31"),
        ("S2-1", "2024-02-10", "2024-05-10", "renewed", "2024-05-10", "2024-02-10"),
        ("S2-2", "2024-05-10", "2024-08-10", "churned", "2024-06-01", "2024-05-10"),
        ("S3-1", "2024-02-10", "2024-05-10", "churned", "2024-05-10", "2024-02-10"),
        ("S4-1", "2024-08-01", "2024-11-01", None, None, "2024-08-01"),
    ]
    assert found[0][6:] == (300.0, None)
    assert found[0][1] == day("2024-01-31")


def test_use_outside_its_subscription_counts_for_the_account_alone(workspace: Path) -> None:
    found = rows(workspace, "SELECT account_id, contract_id, quantity FROM usage ORDER BY quantity")
    assert found == [
        ("A1", None, 3.0),  # before the subscription
        ("A1", "S1-1", 4.0),
        ("A1", "S1-2", 5.0),
        ("A1", "S2-2", 6.0),
        ("A1", None, 7.0),  # after its end
        ("A1", None, 8.0),  # on the day on which its quarter is over
        ("A1", "S1-3", 9.0),
    ]


def test_use_before_its_subscription_is_not_known_before_it(workspace: Path) -> None:
    late = "SELECT quantity, known_at::DATE::VARCHAR FROM usage WHERE known_at <> usage_date"
    assert rows(workspace, late) == [(3.0, "2024-01-31")]


def test_no_deal_is_made_up_and_a_ticket_is_the_customer_reaching_out(workspace: Path) -> None:
    assert rows(workspace, "SELECT count(*) FROM opportunities") == [(0,)]
    assert rows(workspace, "SELECT opportunity_id, account_id, kind, direction FROM activities") == [
        (None, "A1", "other", "inbound")
    ]


@pytest.mark.real_data
@pytest.mark.skipif(not _SHARED.is_dir(), reason="the shared data folder is absent")
def test_the_export_loads_whole_with_every_end_as_one_churn(tmp_path: Path) -> None:
    report = load(_SHARED, tmp_path, "ravenstack")
    assert report.rejects == {}
    assert (report.rows["accounts"], report.rows["activities"], report.rows["usage"]) == (500, 2000, 25000)
    ended = "SELECT count(*), count(DISTINCT split_part(contract_id, '-', 2)) FROM contracts"
    assert rows(tmp_path, ended) == [(11622, 5000)]
    assert dict(rows(tmp_path, "SELECT outcome, count(*) FROM contracts GROUP BY 1")) == {
        "churned": 486, "renewed": 6622, None: 4514,
    }  # fmt: skip


@pytest.mark.real_data
@pytest.mark.skipif(not _SHARED.is_dir(), reason="the shared data folder is absent")
def test_an_export_made_earlier_gives_the_same_as_the_whole_one_before_its_day(tmp_path: Path) -> None:
    cut = "2024-07-01"
    earlier(tmp_path / "in", cut)
    load(tmp_path / "in", tmp_path / "then", "ravenstack")
    load(_SHARED, tmp_path / "now", "ravenstack")
    known = (
        "SELECT contract_id, start_at, end_at, committed_amount, "
        f"CASE WHEN decided_at < '{cut}' THEN [outcome, decided_at::VARCHAR] END "
        f"FROM contracts WHERE known_at < '{cut}' ORDER BY contract_id"
    )
    then = rows(tmp_path / "then", known)
    assert len(then) > 2000
    assert then == rows(tmp_path / "now", known)
    used = f"SELECT * EXCLUDE source_row FROM usage WHERE known_at < '{cut}' ORDER BY ALL"
    assert rows(tmp_path / "then", used) == rows(tmp_path / "now", used)


def earlier(folder: Path, cut: str) -> None:
    """The source as it would have been exported at the cut: later rows gone, later ends not yet known."""
    folder.mkdir()
    clocks = {
        "accounts": "signup_date", "subscriptions": "start_date", "feature_usage": "usage_date",
        "support_tickets": "submitted_at",
    }  # fmt: skip
    for name, clock in clocks.items():
        path = next(_SHARED.glob(f"ravenstack_{name}.csv*"))
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
            found: list[dict[str, Any]] = [row for row in csv.DictReader(file) if row[clock] < cut]
        for row in found:
            if row.get("end_date", "") >= cut:
                row["end_date"] = ""
        if name == "subscriptions":
            subscriptions = {row["subscription_id"] for row in found}
        if name == "feature_usage":
            found = [row for row in found if row["subscription_id"] in subscriptions]
        with (folder / f"ravenstack_{name}.csv").open("w", newline="") as out:
            writer = csv.DictWriter(out, list(found[0]))
            writer.writeheader()
            writer.writerows(found)
