from pathlib import Path

import pytest

from data.errors import SourceError
from data.mapping import load_mapping, resolve, shipped_mappings
from tests.data.sources import SMALL, load, rows, write

_ACCOUNTS = "SELECT id AS account_id FROM firms\n"
_DEALS = "-- deals\nSELECT id AS opportunity_id, firm AS account_id, made AS created_at\nFROM deals\n"
_RAW = {"firms": "id,size\nA1,5\n", "Deals": "ID,firm,made,colour\nD1,A1,2024-01-01,red\n"}


def _mapping(folder: Path, **queries: str) -> Path:
    folder.mkdir()
    for table, sql in {"accounts": _ACCOUNTS, "opportunities": _DEALS, **queries}.items():
        (folder / f"{table}.sql").write_text(sql)
    return folder


def test_raw_tables_and_columns_match_without_regard_to_case(tmp_path: Path) -> None:
    load(write(tmp_path / "in", _RAW), tmp_path / "w", _mapping(tmp_path / "m"))
    assert rows(tmp_path / "w", "SELECT opportunity_id, account_id FROM opportunities") == [("D1", "A1")]


def test_a_mapping_sees_the_raw_table_also_where_the_canonical_one_has_its_name(tmp_path: Path) -> None:
    queries = {
        "accounts": "WITH accounts AS (SELECT account_id || '!' AS account_id FROM accounts) FROM accounts",
        "opportunities": (
            "SELECT opportunity_id, accounts.account_id, opportunities.created_at "
            "FROM opportunities JOIN accounts USING (account_id)"
        ),
    }
    load(write(tmp_path / "in", SMALL), tmp_path / "w", _mapping(tmp_path / "m", **queries))
    assert rows(tmp_path / "w", "SELECT account_id FROM accounts ORDER BY 1") == [("A1!",), ("A2!",)]
    assert rows(tmp_path / "w", "SELECT DISTINCT account_id FROM opportunities") == [("A1",)]


@pytest.mark.parametrize(("table", "sql", "message"), [
    ("opportunities", _DEALS.replace("made AS", "mode AS"),
     r"opportunities\.sql, line 2: .*'mode'.*mean 'made'"),
    ("opportunities", _DEALS.replace("FROM deals", "FROM deal"),
     r"opportunities\.sql, line 3: .*'deal'.*mean 'Deals'"),
    ("opportunities", _DEALS.replace("AS created_at", "AS create_at"),
     r"needs a column 'created_at'.*'create_at'"),
    ("users", "SELECT 1 AS user_id; SELECT 2", "exactly one SELECT, found SELECT, SELECT"),
    ("users", "DROP TABLE firms", "exactly one SELECT, found DROP"),
    ("users", "-- nothing", "exactly one SELECT, found nothing"),
    ("users", "SELECT id AS user_id FROM\nWHERE", r"users\.sql.*line 2|users\.sql.*not valid SQL"),
    ("users", "SELECT * FROM read_csv('/etc/passwd')", "reads from outside the source"),
    ("users", "SELECT * FROM '/etc/passwd'", "has no table '/etc/passwd'"),
    ("users", "SELECT id AS user_id, now() AS x FROM firms", "another value each time"),
    ("user", "SELECT 1 AS user_id", r"no canonical table is called 'user'.*mean 'users'"),
])  # fmt: skip
def test_a_faulty_mapping_is_refused_with_place_and_near_match(
    tmp_path: Path, table: str, sql: str, message: str
) -> None:
    mapping = _mapping(tmp_path / "m", **{table: sql})
    with pytest.raises(SourceError, match=f"(?s){message}"):
        load(write(tmp_path / "in", _RAW), tmp_path / "w", mapping)
    assert not (tmp_path / "w" / "warehouse.duckdb").exists()


def test_all_problems_of_a_mapping_come_in_one_message(tmp_path: Path) -> None:
    mapping = _mapping(
        tmp_path / "m",
        accounts="SELECT nr AS account_id FROM firms",
        opportunities=_DEALS.replace("firm AS", "f AS"),
    )
    with pytest.raises(SourceError) as caught:
        load(write(tmp_path / "in", _RAW), tmp_path / "w", mapping)
    assert "'nr'" in str(caught.value)
    assert "'f'" in str(caught.value)


def test_the_identity_leaves_out_optional_tables_but_not_required_ones() -> None:
    resolved = resolve(
        load_mapping("canonical"), {"Accounts": ["account_id"], "opportunities": ["opportunity_id"]}
    )
    assert {name: query.sql for name, query in resolved.items()} == {
        "accounts": 'FROM raw."Accounts"', "opportunities": 'FROM raw."opportunities"',
    }  # fmt: skip
    with pytest.raises(SourceError, match=r"no table 'opportunities'.*mean 'opportunites'"):
        resolve(load_mapping("canonical"), {"accounts": ["account_id"], "opportunites": ["opportunity_id"]})


def test_an_unknown_mapping_names_the_shipped_ones() -> None:
    assert set(shipped_mappings()) >= {"canonical", "bpic2012", "maven", "agency_crm"}
    with pytest.raises(SourceError, match="Did you mean 'bpic2012'"):
        load_mapping("bpic2021")
