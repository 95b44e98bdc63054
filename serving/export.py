"""Tables for finance as a workbook or as CSV files: units told, CRM text neutralised, nothing live.

The form follows the path: `.xlsx` is a workbook with a sheet for each part, a path without an ending is a
folder with a CSV file for each, `.csv` is one file for a single part. A first sheet (`about.csv`) says at
which instant, by which run, models and currency the figures stand, and what each column means.
"""

import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from data.errors import UsageError
from serving.durable import settle_folder, write_durably
from serving.export_cells import Cell, cells, safe_text
from serving.export_columns import SHEETS, ExportColumn, column_of
from serving.export_xlsx import Sheet, workbook_bytes

__all__ = ["REPORTED", "About", "export"]

_OWN = "own currency"
_ABOUT = "about"

REPORTED = "_reported"
"""Ends the name of a column that holds another's amounts in the reporting currency."""


@dataclass(frozen=True)
class About:
    """What the figures rest on. currency: the reporting currency, "" where none is stated. models: version
    by what it predicts. notes: whatever else a reader should know, a sentence each."""

    as_of: datetime
    run_id: str
    currency: str
    models: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()


def export(tables: Mapping[str, pa.Table], path: Path, *, about: About) -> Path:
    """Write the tables, by part, to `path` (see above), and return it.

    Files take the place of those of the same names, each in one step. Raises UsageError for another ending,
    for no or several parts in one `.csv`, and for a folder that holds other files.
    """
    if not tables:
        raise UsageError(f"export, {path}: expected at least one part, found none. Name what to export.")
    sheets = [_sheet(name, table, about.currency) for name, table in tables.items()]
    whole = [_about_sheet(sheets, about), *sheets]
    ending = path.suffix.lower()
    if ending == ".xlsx":
        _put(path, workbook_bytes(whole, title=f"Forecast as of {_text(about.as_of)}", created=about.as_of))
    elif ending == ".csv" and len(sheets) == 1:
        _put(path, _csv(sheets[0]))
    elif ending == "":
        _write_folder(path, whole)
    else:
        raise UsageError(
            f"export, {path}: expected a name that ends in .xlsx, or a folder for CSV files, found "
            f"{ending!r} for {len(sheets)} parts. A .csv file takes one part."
        )
    return path


def _sheet(name: str, table: pa.Table, currency: str) -> Sheet:
    """The part with its headers; amounts name their currency, or say that each row has its own."""
    columns = [column_of(field.name, field.type, part=name) for field in table.schema]
    code = _currency(table, currency)
    headers = [
        f"{column.title}{_unit(column, currency if column.name.endswith(REPORTED) else code)}"
        for column in columns
    ]
    return Sheet(name, columns, headers, [cells(table[column.name]) for column in columns])


def _currency(table: pa.Table, reporting: str) -> str:
    if "currency" not in table.column_names:
        return reporting
    codes = {str(code) for code in pc.unique(table["currency"]).to_pylist() if code}
    return codes.pop() if len(codes) == 1 else (_OWN if codes else reporting)


def _unit(column: ExportColumn, currency: str) -> str:
    said = {"money": currency, "time": "UTC", "days": "days"}.get(column.unit, "")
    return f" ({said})" if said and said not in column.title.lower().split() else ""


def _about_sheet(sheets: Sequence[Sheet], about: About) -> Sheet:
    """What the figures rest on, then a row for each column of each part."""
    facts: list[tuple[str, ...]] = [
        ("as of", "", "", f"{_text(about.as_of)}: only what was recorded before it is known"),
        ("run", "", "", about.run_id),
        ("currency", "", "", about.currency or "not stated by the source"),
        *(("model", name, "", version) for name, version in about.models.items()),
        *(("note", "", "", note) for note in about.notes),
    ]
    for sheet in sheets:
        facts.append((sheet.name, "", "", SHEETS.get(sheet.name, "")))
        facts += [
            (sheet.name, header, column.unit, column.meaning)
            for column, header in zip(sheet.columns, sheet.headers, strict=True)
        ]
    names = ("about", "column", "unit", "meaning")
    columns = [column_of(name, pa.string()) for name in names]
    return Sheet(_ABOUT, columns, [column.title for column in columns], list(zip(*facts, strict=True)))


def _csv(sheet: Sheet) -> bytes:
    """RFC 4180 with a byte order mark, so that spreadsheets read UTF-8; nothing between commas for null.

    The names of the columns stand first as they are in the tables.
    """
    held = io.StringIO(newline="")
    writer = csv.writer(held)
    writer.writerow([safe_text(column.name) for column in sheet.columns])
    writer.writerows([_csv_cell(value) for value in row] for row in zip(*sheet.values, strict=True))
    return held.getvalue().encode("utf-8-sig")


def _csv_cell(value: Cell) -> str | float | int | None:
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    return _text(value) if isinstance(value, date) else safe_text(str(value))


def _text(value: date) -> str:
    """An ISO date, or an ISO time in UTC.

    >>> _text(datetime(2025, 6, 30, 9, 30, tzinfo=UTC)), _text(date(2025, 6, 30))
    ('2025-06-30T09:30:00Z', '2025-06-30')
    """
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    return value.isoformat()


def _write_folder(folder: Path, sheets: Sequence[Sheet]) -> None:
    files = {f"{sheet.name}.csv": sheet for sheet in sheets}
    strange = [name for name in files if Path(name).name != name or name.startswith(".")]
    if strange or len(files) < len(sheets):
        raise UsageError(f"export, {folder}: {strange or list(files)} cannot name files. Rename the parts.")
    found = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    others = [name for name in found if name not in files]
    if others or folder.is_file():
        raise UsageError(
            f"export, {folder}: expected a new folder, or one of an earlier export, found "
            f"{', '.join(others[:5]) or 'a file'}. Name another folder."
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name, sheet in files.items():
        _put(folder / name, _csv(sheet))


def _put(path: Path, content: bytes) -> None:
    """Put the file in place in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        write_durably(beside, content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    settle_folder(path.parent)
