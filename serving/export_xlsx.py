"""The export as a workbook: a first sheet that explains, then a sheet for each part.

Texts are written as texts, never as formulas or links; those that look like formulas also keep the mark by
which a spreadsheet leaves them text when a person edits the cell.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from xlsxwriter import Workbook  # type: ignore[import-untyped]
from xlsxwriter.worksheet import Worksheet  # type: ignore[import-untyped]

from data.errors import UsageError
from serving.export_cells import Cell, looks_like_formula
from serving.export_columns import ExportColumn, Unit

__all__ = ["Sheet", "workbook_bytes"]

_FORMATS: dict[Unit, str] = {
    "money": "#,##0;[Red]-#,##0", "percent": "0.0%", "ratio": "0.00", "count": "#,##0", "days": "#,##0",
    "number": "0.000", "date": "yyyy-mm-dd", "time": "yyyy-mm-dd hh:mm", "text": "@", "flag": "General",
}  # fmt: skip
_WIDTHS: dict[Unit, int] = {
    "money": 15, "percent": 11, "ratio": 10, "count": 10, "days": 10, "number": 11, "date": 12, "time": 17,
    "text": 12, "flag": 9,
}  # fmt: skip
_WIDEST = 60
_MOST_ROWS = 1_048_576
_LONGEST_TEXT = 32_767
_FIRST_YEAR = 1900
_UNCONVERTED: dict[str, Any] = {
    "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False,
}  # fmt: skip


@dataclass(frozen=True)
class Sheet:
    """A sheet: its columns, their headers, and the values column by column."""

    name: str
    columns: Sequence[ExportColumn]
    headers: Sequence[str]
    values: Sequence[Sequence[Cell]]


@dataclass(frozen=True)
class _Formats:
    """The workbook's formats by unit; texts that look like formulas have one that keeps them texts."""

    by_unit: dict[str, Any]
    header: Any
    quoted: Any


def workbook_bytes(sheets: Sequence[Sheet], *, title: str, created: datetime) -> bytes:
    """The workbook's bytes, equal for equal input. Raises UsageError for a part too long for a sheet."""
    held = io.BytesIO()
    with Workbook(held, {"in_memory": True, **_UNCONVERTED}) as book:
        book.set_properties({"title": title, "created": created.astimezone(UTC).replace(tzinfo=None)})
        formats = _Formats(
            {unit: book.add_format({"num_format": code}) for unit, code in _FORMATS.items()},
            book.add_format({"bold": True, "text_wrap": True, "valign": "top", "bottom": 1}),
            book.add_format({"num_format": "@", "quote_prefix": True}),
        )
        taken: set[str] = set()
        for sheet in sheets:
            _write(book.add_worksheet(_sheet_name(sheet.name, taken)), sheet, formats)
    return held.getvalue()


def _write(worksheet: Worksheet, sheet: Sheet, formats: _Formats) -> None:
    rows = len(sheet.values[0]) if sheet.values else 0
    if rows >= _MOST_ROWS:
        raise UsageError(
            f"export, part {sheet.name!r}: expected at most {_MOST_ROWS - 1:,} rows, which a sheet can hold, "
            f"found {rows:,}. Name a folder instead of an .xlsx file: it gets CSV files."
        )
    worksheet.freeze_panes(1, 0)
    for place, (column, header, values) in enumerate(
        zip(sheet.columns, sheet.headers, sheet.values, strict=True)
    ):
        worksheet.set_column(place, place, _width(column, header, values))
        worksheet.write_string(0, place, header, formats.header)
        for row, value in enumerate(values, start=1):
            _write_cell(worksheet, row, place, value, column.unit, formats)
    if rows and sheet.columns:
        worksheet.autofilter(0, 0, rows, len(sheet.columns) - 1)


def _write_cell(
    worksheet: Worksheet, row: int, place: int, value: Cell, unit: Unit, formats: _Formats
) -> None:
    """Write a value by its type; a date that the calendar of spreadsheets lacks is written as text."""
    form = formats.by_unit[unit]
    if value is None or value == "":
        return
    if isinstance(value, bool):
        worksheet.write_boolean(row, place, value, form)
    elif isinstance(value, date) and value.year > _FIRST_YEAR:
        at = value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) else value
        worksheet.write_datetime(row, place, at, form)
    elif isinstance(value, int | float):
        worksheet.write_number(row, place, value, form)
    else:
        text = str(value)[:_LONGEST_TEXT]
        worksheet.write_string(row, place, text, formats.quoted if looks_like_formula(text) else form)


def _width(column: ExportColumn, header: str, values: Sequence[Cell]) -> float:
    longest = max(map(len, header.split()), default=0) + 2
    if column.unit == "text":
        longest = max([longest, *(len(str(value)) + 1 for value in values[:200] if value is not None)])
    return min(max(longest, _WIDTHS[column.unit]), _WIDEST)


def _sheet_name(name: str, taken: set[str]) -> str:
    """A name that a workbook takes: at most 31 characters, none of []:*?/\\, unlike the others'."""
    clean = "".join("_" if sign in "[]:*?/\\" or ord(sign) < 32 else sign for sign in name).strip("' ")[:31]
    chosen, number = clean or "part", 2
    while chosen.lower() in taken or chosen.lower() == "history":
        ending = f" {number}"
        chosen, number = (clean or "part")[: 31 - len(ending)] + ending, number + 1
    taken.add(chosen.lower())
    return chosen
