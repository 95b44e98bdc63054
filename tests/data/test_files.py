import gzip
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.errors import SourceError
from data.files import find_files, load_raw, raw_columns


def _loaded(source: Path) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    load_raw(con, find_files(source))
    return con


def test_csv_gzipped_csv_and_parquet_each_become_a_raw_table_named_after_the_stem(tmp_path: Path) -> None:
    (tmp_path / "Deals.CSV").write_text("id,zip\n1,00123\n2,04567\n")
    (tmp_path / "calls.csv.gz").write_bytes(gzip.compress(b"id;note\n1;a\n"))
    pq.write_table(pa.table({"id": [1]}), tmp_path / "people.parquet")
    (tmp_path / "notes.txt").write_text("ignored")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "deep.csv").write_text("id\n1\n")
    with _loaded(tmp_path) as con:
        assert raw_columns(con) == {"Deals": ("id", "zip"), "calls": ("id", "note"), "people": ("id",)}
        assert con.execute('SELECT zip FROM raw."Deals"').fetchall() == [("00123",), ("04567",)]


def test_a_csv_with_nothing_but_a_header_is_an_empty_table(tmp_path: Path) -> None:
    (tmp_path / "deals.csv").write_text("id,created_at\n")
    with _loaded(tmp_path) as con:
        assert raw_columns(con) == {"deals": ("id", "created_at")}


def test_two_files_that_would_become_one_table_are_refused(tmp_path: Path) -> None:
    (tmp_path / "deals.csv").write_text("id\n1\n")
    (tmp_path / "Deals.csv.gz").write_bytes(gzip.compress(b"id\n1\n"))
    with pytest.raises(SourceError, match=r"Deals\.csv\.gz and deals\.csv would both become"):
        find_files(tmp_path)


def test_a_folder_without_readable_files_or_no_folder_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no \.csv, \.csv\.gz or \.parquet file"):
        find_files(tmp_path)
    with pytest.raises(SourceError, match="no such folder"):
        find_files(tmp_path / "missing")


def test_a_ragged_csv_names_file_and_line_and_loses_no_row_in_silence(tmp_path: Path) -> None:
    (tmp_path / "deals.csv").write_text("id,a,b\n1,2,3\n1,2,3,4,5\n")
    with pytest.raises(SourceError, match=r"deals\.csv.*Line: 3"):
        _loaded(tmp_path)


@pytest.mark.parametrize(("name", "content"), [
    ("deals.parquet", b"PAR1 this is not Parquet PAR1"),
    ("deals.csv.gz", b"not gzip"),
    ("deals.csv", b"id,name\n1,caf\xe9\n"),
    ("deals.csv", b""),
])  # fmt: skip
def test_a_damaged_file_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=name):
        _loaded(tmp_path)


def test_a_truncated_parquet_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "deals.parquet"
    pq.write_table(pa.table({"id": list(range(10_000))}), file)
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(SourceError, match=r"deals\.parquet"):
        _loaded(tmp_path)
