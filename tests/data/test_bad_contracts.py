"""Bad contracts, use and rates: each is rejected with its reason, or kept by a rule and counted."""

from datetime import date
from pathlib import Path

from data.extract import ExtractReport
from tests.data.sources import load, rows, write

ACCOUNTS = "account_id,created_at\nA1,2023-01-01\nA2,2023-01-01\n"
DEALS = "opportunity_id,account_id,created_at,currency\nD1,A1,2023-01-02,EUR\nD2,A1,2024-12-31,EUR\n"
CONTRACT = (
    "contract_id,account_id,start_at,end_at,committed_amount,currency,outcome,renewed_amount,decided_at,"
    "known_at"
)
USE = "account_id,contract_id,product,usage_date,quantity,amount,active_users,known_at"
K1 = "K1,A1,2024-01-01,2024-12-31,1000,EUR,,,,2024-01-01"
USED = "A1,K1,core,2024-02-05,1,10,1,2024-02-12"


def loaded(tmp_path: Path, *, contracts: list[str] | None = None, usage: list[str] | None = None,
           **others: str) -> ExtractReport:  # fmt: skip
    tables = {"accounts": ACCOUNTS, "opportunities": DEALS, **others}
    tables["contracts"] = "\n".join([CONTRACT, *(contracts or [K1])]) + "\n"
    tables["usage"] = "\n".join([USE, *(usage or [USED])]) + "\n"
    return load(write(tmp_path / "in", tables), tmp_path / "w", share=1.0)


def counted(report: ExtractReport) -> dict[str, int]:
    return {f"{note.table}.{note.column}: {note.note}": note.rows for note in report.coverage.notes}


def rejected(tmp_path: Path, table: str) -> list[tuple[str, str, str]]:
    sql = f'SELECT "column", value, reason FROM rejected_rows WHERE "table" = \'{table}\' ORDER BY source_row'
    return [(str(a), str(b).removesuffix(" 00:00:00"), str(c)) for a, b, c in rows(tmp_path / "w", sql)]


def test_a_clean_source_has_nothing_to_count(tmp_path: Path) -> None:
    report = loaded(tmp_path)
    assert counted(report) == {}
    assert report.rejects == {}


def test_use_before_the_contract_and_after_its_end_is_kept_and_counted(tmp_path: Path) -> None:
    before = "A1,K1,core,2023-12-04,1,10,1,2023-12-11"
    after = "A1,K1,core,2024-12-31,1,10,1,2025-01-07"
    report = loaded(tmp_path, usage=[before, USED, after])
    found = counted(report)
    assert found["usage.usage_date: dated before its contract starts"] == 1
    assert found["usage.usage_date: dated after its contract ends"] == 1
    assert report.rows["usage"] == 3


def test_a_gap_is_neither_filled_nor_rejected_but_counted(tmp_path: Path) -> None:
    later = "A1,K1,core,2024-06-03,1,10,1,2024-06-10"
    other = "A1,K1,extra,2024-04-08,1,10,1,2024-04-15"
    report = loaded(tmp_path, usage=[USED, later, other])
    assert counted(report) == {"usage.usage_date: the first after more than 62 days without a row": 1}
    assert report.rows["usage"] == 3


def test_duplicate_days_are_kept_to_be_added_up_and_counted(tmp_path: Path) -> None:
    report = loaded(tmp_path, usage=[USED, USED, USED.replace("core", "extra")])
    note = "usage.usage_date: one of several rows of the same account, contract, product and date"
    assert counted(report) == {note: 2}
    assert rows(tmp_path / "w", "SELECT sum(amount) FROM usage WHERE product = 'core'") == [(20.0,)]


def test_a_credit_note_is_kept_negative_and_counted(tmp_path: Path) -> None:
    report = loaded(tmp_path, usage=[USED, "A1,K1,core,2024-02-12,0,-4,,2024-02-20"])
    assert counted(report) == {"usage.amount: below zero": 1}
    assert rows(tmp_path / "w", "SELECT sum(amount) FROM usage") == [(6.0,)]


def test_a_contract_that_has_begun_without_use_is_counted(tmp_path: Path) -> None:
    unused = "K2,A2,2024-01-01,2025-12-31,1000,EUR,,,,2024-01-01"
    to_come = "K3,A2,2026-01-01,2026-12-31,1000,EUR,,,,2024-06-01"
    report = loaded(tmp_path, contracts=[K1, unused, to_come])
    assert counted(report) == {"contracts.contract_id: begun, and without any use so far": 1}


def test_overlapping_contracts_of_an_account_are_kept_and_counted_and_consecutive_ones_are_not(
    tmp_path: Path,
) -> None:
    contracts = [
        K1,
        "K2,A1,2024-06-01,2024-09-01,1000,EUR,churned,,2024-09-01,2024-06-01",
        "K3,A1,2024-12-31,2025-12-31,1000,EUR,,,,2024-12-30",
        "K4,A2,2024-06-01,2025-06-01,1000,EUR,,,,2024-06-01",
    ]
    used = [USED, *(USED.replace("K1", key).replace("2024-02", "2024-07") for key in ("K2", "K4"))]
    found = counted(loaded(tmp_path, contracts=contracts, usage=used))
    assert found["contracts.start_at: overlaps an earlier contract of its account"] == 1


def test_a_currency_without_a_rate_is_named_and_one_with_a_rate_in_either_direction_is_not(
    tmp_path: Path,
) -> None:
    contracts = [K1, *(K1.replace("K1", f"K{n}").replace("EUR", code).replace("A1", f"B{n}")
                       for n, code in ((2, "JPY"), (3, "jpy"), (4, "USD"), (5, "GBP")))]  # fmt: skip
    rates = "from_currency,to_currency,rate,rate_date\nUSD,EUR,0.9,2024-01-01\nEUR,GBP,0.85,2024-01-01\n"
    found = counted(loaded(tmp_path, contracts=contracts, exchange_rates=rates))
    named = {note: n for note, n in found.items() if note.startswith("exchange_rates")}
    assert named == {
        "exchange_rates.from_currency: none for JPY: amounts in it stay outside every total": 2
    }  # fmt: skip


def test_an_amount_without_a_currency_is_counted_where_others_have_one(tmp_path: Path) -> None:
    found = counted(loaded(tmp_path, contracts=[K1.replace("EUR", "")]))
    assert found == {"contracts.currency: no currency, where others have one": 1}


def test_where_nobody_names_a_currency_nothing_is_missing(tmp_path: Path) -> None:
    deals = DEALS.replace("EUR", "")
    assert counted(loaded(tmp_path, contracts=[K1.replace("EUR", "")], opportunities=deals)) == {}


def test_a_term_that_is_over_without_an_outcome_is_kept_and_counted(tmp_path: Path) -> None:
    overdue = K1.replace("2024-12-31", "2024-12-01")
    report = loaded(tmp_path, contracts=[overdue])
    assert counted(report) == {"contracts.outcome: the term is over, and there is no outcome yet": 1}
    assert report.rows["contracts"] == 1


def test_a_contract_without_an_end_is_kept_and_counted(tmp_path: Path) -> None:
    report = loaded(tmp_path, contracts=[K1.replace("2024-12-31", "")])
    assert counted(report) == {"contracts.end_at: no end of the term": 1}


def test_contracts_that_cannot_be_are_rejected_with_their_reasons(tmp_path: Path) -> None:
    bad = [
        "K2,A1,2024-06-01,2024-05-31,10,EUR,,,,2024-06-01",
        "K3,A1,2024-06-01,2024-12-31,10,EUR,renewed,12,,2024-06-01",
        "K4,A1,2024-06-01,2024-12-31,10,EUR,renewed,-12,2025-01-02,2024-06-01",
        "K5,A1,2024-06-01,2024-12-31,-10,EUR,,,,2024-06-01",
        "K6,A1,2024-06-01,2024-12-31,10,EUR,lapsed,,2025-01-02,2024-06-01",
    ]
    loaded(tmp_path, contracts=[K1, *bad])
    assert rejected(tmp_path, "contracts") == [
        ("end_at", "2024-05-31", "end_at lies before start_at"),
        ("outcome", "renewed", "outcome without decided_at cannot be placed in time"),
        ("renewed_amount", "-12", "below 0"),
        ("committed_amount", "-10", "below 0"),
        ("outcome", "lapsed", "not one of renewed, churned"),
    ]


def test_outcomes_of_a_source_that_never_dates_them_are_kept_unseen_and_counted(tmp_path: Path) -> None:
    undated = "contract_id,account_id,start_at,end_at,outcome\nK1,A1,2024-01-01,2024-12-31,renewed\n"
    source = {"accounts": ACCOUNTS, "opportunities": DEALS, "contracts": undated}
    report = load(write(tmp_path / "in", source), tmp_path / "w")
    assert counted(report)["contracts.outcome: there is no time at which it was decided"] == 1


def test_use_of_an_unknown_contract_is_kept_for_its_account_and_counted(tmp_path: Path) -> None:
    report = loaded(tmp_path, usage=[USED, USED.replace("K1", "K7")])
    assert counted(report) == {"usage.contract_id: not found in contracts": 1}
    assert report.rows["usage"] == 2


def test_use_of_another_accounts_contract_is_kept_and_counted(tmp_path: Path) -> None:
    report = loaded(tmp_path, usage=[USED, USED.replace("A1", "A2")])
    assert counted(report) == {"usage.account_id: the contract is another account's": 1}


def test_use_recorded_long_before_it_took_place_and_negative_users_are_rejected(tmp_path: Path) -> None:
    ahead = "A1,K1,core,2099-01-01,1,10,1,2024-02-12"
    billed = "A1,K1,core,2024-03-01,1,10,1,2024-02-12"
    report = loaded(tmp_path, usage=[USED, ahead, billed, "A1,K1,core,2024-02-12,1,10,-1,2024-02-19"])
    assert report.rows["usage"] == 2
    why = "recorded more than 31 days before it took place"
    assert rejected(tmp_path, "usage") == [
        ("usage_date", "2099-01-01", why),
        ("active_users", "-1", "below 0"),
    ]


def test_use_far_ahead_whose_recording_has_no_time_is_not_seen_before_its_date_and_counted(
    tmp_path: Path,
) -> None:
    stray = "A1,K1,core,2099-01-01,1,10,1,"
    report = loaded(tmp_path, usage=[*[USED] * 120, stray])
    assert counted(report)["usage.usage_date: dated more than a year after everything else"] == 1
    known = rows(tmp_path / "w", "SELECT known_at::DATE FROM usage ORDER BY 1 DESC LIMIT 1")
    assert known == [(date(2099, 1, 1),)]
    overdue = "contracts.outcome: the term is over, and there is no outcome yet"
    assert overdue not in counted(report), "one stray row does not move the end of the source"


def test_rates_that_cannot_be_are_rejected_with_their_reasons(tmp_path: Path) -> None:
    bad = {
        "USD,EUR,0,2024-01-01": "rate is not above 0",
        "USD,EUR,-0.9,2024-01-01": "rate is not above 0",
        "USD,EUR,,2024-01-01": "empty",
        "USD,EUR,inf,2024-01-01": "not finite",
        "USD,EUR,0.9,": "empty",
        ",EUR,0.9,2024-01-01": "empty",
    }
    rates = ["from_currency,to_currency,rate,rate_date", "GBP,EUR,1.2,2024-01-01", *bad]
    report = loaded(tmp_path, exchange_rates="\n".join(rates) + "\n")
    assert report.rows["exchange_rates"] == 1
    assert [why for _, _, why in rejected(tmp_path, "exchange_rates")] == list(bad.values())


def test_a_rate_without_a_time_of_recording_is_known_from_its_date(tmp_path: Path) -> None:
    loaded(tmp_path, exchange_rates="from_currency,to_currency,rate,rate_date\nGBP,EUR,1.2,2024-03-01\n")
    known = "SELECT known_at::DATE, rate, source_row FROM exchange_rates"
    assert rows(tmp_path / "w", known) == [(date(2024, 3, 1), 1.2, 1)]
