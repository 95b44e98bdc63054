"""What finance reads of a published run, put together for an export."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from serving.export import REPORTED, About, export
from serving.published import Published

__all__ = ["export_run", "run_parts"]

_FILES = {
    "forecast_summary": "forecast_summary.parquet",
    "bookings_forecast": "bookings_forecast.parquet",
    "renewals": "renewal_scores.parquet",
    "consumption": "consumption_forecast.parquet",
    "change": "forecast_change.parquet",
}
"""The parts of a run that finance reads, by the file each is in."""

_CONVERTED = {"renewals": "committed_amount", "open_deals": "amount"}
"""The amounts that stand in the currency of their row, by part."""

_VERSIONS = ("model_version", "model")


def export_run(
    published: Published,
    path: Path,
    *,
    currency: str | None = None,
    further: Mapping[str, pa.Table] | None = None,
    shown: Callable[[Mapping[str, pa.Table]], Mapping[str, pa.Table]] = dict,
    notes: Sequence[str] = (),
) -> Path:
    """Write what finance reads of a published run to `path`, see `serving.export`; return the path.

    currency: the reporting currency, by default that of the run's forecast. further: more parts, such as a
    scenario's. shown: what of the run's parts is written, for a reader who may not see all. notes: told on
    the first sheet, after what the forecast itself notes.
    """
    held = _forecast_about(published)
    code = currency if currency is not None else str(held.get("currency", ""))
    rates = held.get("rates", {}) if code == held.get("currency") else {}
    parts = {**shown(run_parts(published, rates=rates)), **(further or {})}
    worth = [
        f"1 {one} = {rate:.6g} {code}, known at as_of" for one, rate in sorted(rates.items()) if one != code
    ]
    about = About(
        published.as_of, published.run_id, code, _models(published, parts),
        (*held.get("notes", ()), *worth, *notes),
    )  # fmt: skip
    return export(parts, path, about=about)


def run_parts(published: Published, *, rates: Mapping[str, float] | None = None) -> dict[str, pa.Table]:
    """The tables of a published run that finance reads, by part, and the open deals with their chance.

    rates: what a unit of each currency is worth in the reporting one; amounts of deals and contracts then
    stand beside their own in it too, empty where there is no rate.
    """
    there = published.manifest["files"]
    parts = {part: published.table(file) for part, file in _FILES.items() if file in there}
    deals, scores = (published.table(f"win_{name}.parquet") for name in ("deals", "scores"))
    place = pc.index_in(deals["opportunity_id"], value_set=scores["opportunity_id"].combine_chunks())
    parts["open_deals"] = deals.append_column("p_win", scores["p_win"].take(place))
    for part, column in _CONVERTED.items():
        if rates and part in parts:
            parts[part] = _with_reported(parts[part], column, rates)
    return parts


def _with_reported(table: pa.Table, column: str, rates: Mapping[str, float]) -> pa.Table:
    """The table with the column in the reporting currency beside it, NaN without an amount or a rate."""
    codes: list[Any] = table["currency"].to_pylist()
    worth = [rates.get(str(code or "").strip().upper(), np.nan) for code in codes]
    amounts = np.array(table[column].to_pylist(), dtype=np.float64) * np.array(worth, dtype=np.float64)
    at = table.column_names.index(column) + 1
    # not pa.array: it imports pandas, longer than all else an export does
    held = pa.Array.from_buffers(pa.float64(), len(amounts), [None, pa.py_buffer(amounts)])
    return table.add_column(at, column + REPORTED, held)


def _forecast_about(published: Published) -> dict[str, Any]:
    found: dict[str, Any] = published.manifest.get("about", {}).get("forecast", {})
    return found


def _models(published: Published, parts: Mapping[str, pa.Table]) -> dict[str, str]:
    """Model version by part; that of the deals' scores comes first."""
    models = {"win": published.model_version}
    for name, table in parts.items():
        column = next((one for one in _VERSIONS if one in table.column_names), None)
        versions = sorted({str(one) for one in pc.unique(table[column]).to_pylist() if one}) if column else []
        if versions:
            models[name] = ", ".join(versions)
    return models
