"""Exports: texts stay texts, numbers stay numbers, and every figure says its unit."""

import csv
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from openpyxl.worksheet.worksheet import Worksheet

from data.errors import UsageError
from serving.durable import file_sha256
from serving.export import About, export
from serving.export_columns import column_of
from serving.export_run import export_run
from serving.published import Published

AS_OF = datetime(2026, 1, 5, tzinfo=UTC)
ABOUT = About(AS_OF, "20260105T000000Z-abc123", "EUR", {"win": "win-7"}, ("12 deals have no amount.",))

DANGEROUS = [
    "=1+1", "+1+1", "-1+1", "@SUM(A1:A9)", "\t=1+1", "\r=1+1", "  =1+1", "\n=1+1",
    "=HYPERLINK(\"http://evil.example\",\"x\")", "=cmd|' /C calc'!A0", "＝1+1", "＋1", "－1", "＠x",
]  # fmt: skip
HARMLESS = [
    "Müller & Söhne",
    "a = b",
    "50 %",
    "1e5",
    "0123",
    "http://x.example",
    "'quoted",
    'say "hi"',
    "2-3",
]


def renewals() -> pa.Table:
    return pa.table({
        "contract_id": ["K1", "K2"],
        "account": ["=1+1", "Acme"],
        "currency": ["EUR", "EUR"],
        "committed_amount": [1234.5, -20.0],
        "p_renew": [0.25, None],
        "end_at": pa.array([datetime(2026, 3, 1, 12, 30, tzinfo=UTC), None], pa.timestamp("us", "UTC")),
        "expected_close_on": pa.array([date(2026, 2, 1), None]),
        "days_left": [55.5, None],
        "overdue": [False, True],
    })  # fmt: skip


def texts(*values: str | None) -> pa.Table:
    return pa.table({"name": pa.array(values, pa.string())})


def opened(path: Path, sheet: str) -> Worksheet:
    found = openpyxl.load_workbook(path)[sheet]
    assert isinstance(found, Worksheet)
    return found


def lines(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.reader(file))


def test_no_text_becomes_a_formula_or_a_link_in_a_workbook(tmp_path: Path) -> None:
    path = export({"deals": texts(*DANGEROUS, *HARMLESS)}, tmp_path / "out.xlsx", about=ABOUT)
    cells = [row[0] for row in opened(path, "deals").iter_rows(min_row=2)]
    assert {cell.data_type for cell in cells} == {"s"}
    assert not any(cell.hyperlink for cell in cells)
    # the file's way to write a carriage return, which openpyxl leaves as it is
    assert [str(cell.value) for cell in cells] == [
        text.replace("\r", "_x000D_") for text in DANGEROUS + HARMLESS
    ]
    assert [bool(cell.quotePrefix) for cell in cells] == [True] * len(DANGEROUS) + [False] * len(HARMLESS)


def test_no_name_of_a_part_or_a_column_becomes_a_formula(tmp_path: Path) -> None:
    path = export({"=1+1": pa.table({"=2+2": ["x"]})}, tmp_path / "out.xlsx", about=ABOUT)
    book = openpyxl.load_workbook(path)
    cells = [cell for sheet in book.worksheets for row in sheet.iter_rows() for cell in row if cell.value]
    assert {cell.data_type for cell in cells} == {"s"}


def test_dangerous_texts_get_an_apostrophe_in_csv_and_harmless_ones_do_not(tmp_path: Path) -> None:
    path = export({"deals": texts(*DANGEROUS, *HARMLESS)}, tmp_path / "out.csv", about=ABOUT)
    found = [row[0] for row in lines(path)[1:]]
    assert [text[0] for text in found[: len(DANGEROUS)]] == ["'"] * len(DANGEROUS)
    assert found[0] == "'=1+1"
    assert found[len(DANGEROUS) :] == HARMLESS


def test_a_text_that_another_separator_splits_is_safe_in_each_piece(tmp_path: Path) -> None:
    split = ["a;=1+1", "a\t@x", "a\n=1+1", "a; -1", "fine; then, a-b"]
    path = export({"deals": texts(*split)}, tmp_path / "out.csv", about=ABOUT)
    assert [row[0] for row in lines(path)[1:]] == [
        "a;'=1+1",
        "a\t'@x",
        "a\n'=1+1",
        "a;' -1",
        "fine; then, a-b",
    ]


def test_numbers_stay_numbers_negative_ones_too(tmp_path: Path) -> None:
    book = export({"renewals": renewals()}, tmp_path / "out.xlsx", about=ABOUT)
    amounts = [cell.value for cell in opened(book, "renewals")["D"][1:]]
    assert amounts == [1234.5, -20]
    path = export({"renewals": renewals()}, tmp_path / "out.csv", about=ABOUT)
    assert [row[3] for row in lines(path)] == ["committed_amount", "1234.5", "-20.0"]


def test_a_sheet_tells_units_and_currency_and_freezes_its_header(tmp_path: Path) -> None:
    sheet = opened(export({"renewals": renewals()}, tmp_path / "out.xlsx", about=ABOUT), "renewals")
    assert [cell.value for cell in sheet[1]] == [
        "Contract id", "Account", "Currency", "Committed amount (EUR)", "Chance of renewal",
        "End of term (UTC)", "Expected close", "Days left", "Overdue",
    ]  # fmt: skip
    formats = [cell.number_format for cell in sheet[2]]
    assert formats == [
        "@", "@", "@", "#,##0;[Red]-#,##0", "0.0%", "yyyy-mm-dd hh:mm", "yyyy-mm-dd", "#,##0", "General",
    ]  # fmt: skip
    assert [cell.value for cell in sheet[2]] == [
        "K1", "=1+1", "EUR", 1234.5, 0.25, datetime(2026, 3, 1, 12, 30), datetime(2026, 2, 1), 55.5, False,  # noqa: DTZ001
    ]  # fmt: skip
    assert [cell.value for cell in sheet[3]][4:8] == [None] * 4
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:I3"
    assert 10 <= sheet.column_dimensions["D"].width <= 60


def test_amounts_of_unlike_currencies_are_not_said_to_be_in_one(tmp_path: Path) -> None:
    mixed = pa.table({"currency": ["EUR", "USD", None], "amount": [1.0, 2.0, 3.0]})
    none = pa.table({"currency": pa.array([None], pa.string()), "amount": [1.0]})
    plain = pa.table({"mean": [1.0]})
    parts = {"mixed": mixed, "none": none, "plain": plain}
    book = openpyxl.load_workbook(export(parts, tmp_path / "out.xlsx", about=ABOUT))
    headers = {name: [cell.value for cell in book[name][1]][-1] for name in parts}
    assert headers == {
        "mixed": "Amount (own currency)", "none": "Amount (EUR)", "plain": "Expected (EUR)",
    }  # fmt: skip


def test_where_the_source_names_no_currency_none_is_shown(tmp_path: Path) -> None:
    about = About(AS_OF, "run", "")
    sheets = openpyxl.load_workbook(
        export({"plain": pa.table({"mean": [1.0]})}, tmp_path / "out.xlsx", about=about)
    )
    assert sheets["plain"]["A1"].value == "Expected"
    assert ["currency", None, None, "not stated by the source"] in [
        [cell.value for cell in row] for row in sheets["about"].iter_rows()
    ]


def test_the_first_sheet_says_what_the_figures_rest_on_and_what_the_columns_mean(tmp_path: Path) -> None:
    book = openpyxl.load_workbook(export({"renewals": renewals()}, tmp_path / "out.xlsx", about=ABOUT))
    assert book.sheetnames == ["about", "renewals"]
    rows = [[cell.value for cell in row] for row in book["about"].iter_rows()]
    assert rows[:6] == [
        ["About", "Column", "Unit", "Meaning"],
        ["as of", None, None, "2026-01-05T00:00:00Z: only what was recorded before it is known"],
        ["run", None, None, "20260105T000000Z-abc123"],
        ["currency", None, None, "EUR"],
        ["model", "win", None, "win-7"],
        ["note", None, None, "12 deals have no amount."],
    ]
    assert [
        "renewals", "Chance of renewal", "percent", "of 100 contracts given it, about so many renew",
    ] in rows  # fmt: skip


def test_a_folder_gets_a_file_for_each_part_with_the_tables_own_names(tmp_path: Path) -> None:
    parts = {"renewals": renewals(), "deals": texts("Acme", None)}
    folder = export(parts, tmp_path / "out", about=ABOUT)
    assert sorted(path.name for path in folder.iterdir()) == ["about.csv", "deals.csv", "renewals.csv"]
    assert lines(folder / "renewals.csv") == [
        renewals().column_names,
        ["K1", "'=1+1", "EUR", "1234.5", "0.25", "2026-03-01T12:30:00Z", "2026-02-01", "55.5", "false"],
        ["K2", "Acme", "EUR", "-20.0", "", "", "", "", "true"],
    ]
    assert lines(folder / "about.csv")[2] == ["run", "", "", "20260105T000000Z-abc123"]
    export({"renewals": renewals(), "deals": texts("Beta")}, folder, about=ABOUT)
    assert lines(folder / "deals.csv") == [["name"], ["Beta"]]


@pytest.mark.parametrize(("name", "said"), [("out.pdf", r"\.xlsx"), ("out.csv", "one part"), ("", "another")])
def test_a_path_that_cannot_be_exported_to_is_refused_and_left_alone(
    tmp_path: Path, name: str, said: str
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match=said):
        export({"a": texts("x"), "b": texts("y")}, tmp_path / name, about=ABOUT)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("name", ["../deals", "about", ".deals", "a/b"])
def test_a_part_whose_name_is_no_file_name_is_refused_for_a_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot name files"):
        export({name: texts("x")}, tmp_path / "out", about=ABOUT)
    assert list(tmp_path.iterdir()) == []


def test_sheets_take_names_that_a_workbook_takes(tmp_path: Path) -> None:
    names = ["a/b:c", "A_b_c", "x" * 40, "x" * 41, "History", "'"]
    path = export(dict.fromkeys(names, texts("x")), tmp_path / "out.xlsx", about=ABOUT)
    assert openpyxl.load_workbook(path).sheetnames == [
        "about", "a_b_c", "A_b_c 2", "x" * 31, "x" * 29 + " 2", "History 2", "part",
    ]  # fmt: skip


def test_a_part_longer_than_a_sheet_is_refused_with_the_way_out(tmp_path: Path) -> None:
    long = pa.table({"n_rows": pa.nulls(1_048_576, pa.int64())})
    with pytest.raises(UsageError, match=r"1,048,575 rows.*Name a folder"):
        export({"long": long}, tmp_path / "out.xlsx", about=ABOUT)
    assert list(tmp_path.iterdir()) == []


def test_odd_values_are_written_or_left_empty_never_an_error(tmp_path: Path) -> None:
    odd: dict[str, Any] = {
        "mean": pa.array([float("nan"), float("inf"), -0.0]),
        "end_at": pa.array([datetime(1850, 1, 1, tzinfo=UTC), None, None], pa.timestamp("ns", "UTC")),
        "group": pa.array(["=1", None, "b"]).dictionary_encode(),
        "held": pa.array([[1, 2], None, []]),
        "text": pa.array(["x" * 40_000, "\x00\x0b", "_x0041_"]),
        "empty": pa.nulls(3),
    }
    book = openpyxl.load_workbook(export({"odd": pa.table(odd)}, tmp_path / "out.xlsx", about=ABOUT))
    rows = [[cell.value for cell in row] for row in book["odd"].iter_rows(min_row=2)]
    assert rows[0][:4] == [None, "1850-01-01 00:00:00+00:00", "=1", "[1,2]"]
    assert len(str(rows[0][4])) == 32_767
    assert [row[0] for row in rows] == [None, None, 0]
    assert rows[2][2] == "b"
    folder = export({"odd": pa.table(odd)}, tmp_path / "out", about=ABOUT)
    assert lines(folder / "odd.csv")[1][:3] == ["", "1850-01-01T00:00:00Z", "'=1"]


def test_empty_tables_are_exported_with_their_headers(tmp_path: Path) -> None:
    path = export({"renewals": renewals().slice(0, 0)}, tmp_path / "out.xlsx", about=ABOUT)
    assert opened(path, "renewals").max_row == 1
    with pytest.raises(UsageError, match="at least one part"):
        export({}, path, about=ABOUT)


def test_the_same_tables_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.xlsx", "b.xlsx"):
        export({"renewals": renewals()}, tmp_path / name, about=ABOUT)
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()


def published(folder: Path, tables: dict[str, pa.Table], **about: Any) -> Published:
    files = {}
    for name, table in tables.items():
        pq.write_table(table, folder / name)
        files[name] = {"sha256": file_sha256(folder / name)}
    manifest = {"files": files, "as_of": AS_OF.isoformat(), "model_version": "win-7", "about": about}
    return Published("run-1", folder, manifest)


def test_a_run_is_exported_with_its_open_deals_and_the_models_behind_each_part(tmp_path: Path) -> None:
    ids = ["D1", "D2"]
    tables = {
        "win_scores.parquet": pa.table({"opportunity_id": ids[::-1], "p_win": [0.2, 0.1]}),
        "win_deals.parquet": pa.table({"opportunity_id": ids, "amount": [1.0, 2.0]}),
        "renewal_scores.parquet": renewals().append_column("model_version", pa.array(["renewal-3"] * 2)),
        "win_features.parquet": pa.table({"opportunity_id": ids}),
    }
    path = export_run(published(tmp_path, tables), tmp_path / "out.xlsx", currency="EUR")
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["about", "renewals", "open_deals"]
    assert [[cell.value for cell in row] for row in book["open_deals"].iter_rows()] == [
        ["Deal id", "Amount (EUR)", "Chance of winning"], ["D1", 1, 0.1], ["D2", 2, 0.2],
    ]  # fmt: skip
    told = [[cell.value for cell in row] for row in book["about"].iter_rows()]
    assert ["model", "win", None, "win-7"] in told
    assert ["model", "renewals", None, "renewal-3"] in told


def test_amounts_of_deals_stand_in_the_reporting_currency_too_where_there_is_a_rate(tmp_path: Path) -> None:
    ids = ["D1", "D2", "D3", "D4"]
    deals = {"currency": ["EUR", "usd", "JPY", "USD"], "amount": [1.0, 2.0, 3.0, None], "stage": ["x"] * 4}
    run = published(
        tmp_path,
        {
            "win_scores.parquet": pa.table({"opportunity_id": ids, "p_win": [0.5] * 4}),
            "win_deals.parquet": pa.table({"opportunity_id": ids, **deals}),
        },
        forecast={"currency": "EUR", "rates": {"EUR": 1.0, "USD": 0.5}, "notes": ["no contracts"]},
    )
    book = openpyxl.load_workbook(export_run(run, tmp_path / "out.xlsx", notes=["said by hand"]))
    rows = [[cell.value for cell in row][2:4] for row in book["open_deals"].iter_rows()]
    assert rows == [["Amount (own currency)", "Amount (EUR)"], [1, 1], [2, 1], [3, None], [None, None]]
    told = [row[3].value for row in book["about"].iter_rows() if row[0].value in ("currency", "note")]
    assert told == ["EUR", "no contracts", "1 USD = 0.5 EUR, known at as_of", "said by hand"]


_EXPORT = """
import sys
from pathlib import Path
import orjson
from serving.export_run import export_run
from serving.published import Published
folder = Path(sys.argv[1])
run = Published("run-1", folder, orjson.loads((folder / "manifest.json").read_bytes()))
for name in ("out.xlsx", "out"):
    export_run(run, folder / name)
print(sorted({"pandas", "mlflow", "ibis", "duckdb", "prefect"} & sys.modules.keys()))
"""


def test_exporting_loads_no_pandas_no_mlflow_and_no_warehouse(tmp_path: Path) -> None:
    tables = {
        "win_scores.parquet": pa.table({"opportunity_id": ["D1"], "p_win": [0.5]}),
        "win_deals.parquet": pa.table({"opportunity_id": ["D1"], "currency": ["USD"], "amount": [1.0]}),
        "renewal_scores.parquet": renewals(),
    }
    run = published(tmp_path, tables, forecast={"currency": "EUR", "rates": {"EUR": 1.0, "USD": 0.5}})
    (tmp_path / "manifest.json").write_bytes(orjson.dumps(run.manifest))
    command = [sys.executable, "-c", _EXPORT, str(tmp_path)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert lines(tmp_path / "out" / "open_deals.csv")[1] == ["D1", "USD", "1.0", "0.5", "0.5"]


def test_the_consumption_sheet_says_that_it_counts_every_contract_as_renewed() -> None:
    assert "forecast_summary" in column_of("mean", pa.float64(), part="consumption").meaning
    assert "all futures" in column_of("mean", pa.float64(), part="forecast_summary").meaning
