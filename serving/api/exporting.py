"""The forecast as a download: a workbook, or CSV files in an archive."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

import pyarrow as pa
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from data.errors import UsageError
from serving.access.gate import Seen, allow
from serving.access.suppress import seen_figures, seen_terms
from serving.api.renewals import seen_renewal_reason
from serving.api.scenario import check_forecast
from serving.export_run import export_run

__all__ = ["Download", "ExportQuery", "exported", "router"]

router = APIRouter(tags=["forecast"])

_TYPES = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "zip": "application/zip",
    "csv": "text/csv; charset=utf-8",
}
_FIGURES = ("forecast_summary", "bookings_forecast")
_SINGLE = ("open_deals",)
"""Parts that tell of single deals."""


class ExportQuery(BaseModel):
    """What to download."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["xlsx", "csv"] = Field(
        default="xlsx", description="A workbook, or CSV: all parts in a zip."
    )
    part: str | None = Field(
        default=None, max_length=100, description="One part alone, as CSV: forecast_summary, renewals, …"
    )


class Download(BaseModel):
    """A file to download."""

    model_config = ConfigDict(frozen=True)

    name: str
    media_type: str
    content: bytes


def exported(seen: Seen, query: ExportQuery) -> Download:
    """The file that the query asks for, of what the viewer may see.

    Raises NoForecastError for a run without a forecast, UsageError for a part that the run does not have.
    """
    check_forecast(seen)
    if query.part is not None and query.format != "csv":
        raise UsageError("part: expected format=csv beside it; a workbook holds every part.")
    stem = f"dealcast-forecast-{seen.run.run_id}"
    with TemporaryDirectory(prefix="dealcast-") as folder:
        path = Path(folder) / (f"{stem}.xlsx" if query.format == "xlsx" else stem)
        export_run(seen.run, path, shown=lambda parts: _shown(seen, parts))
        if query.format == "xlsx":
            return Download(name=path.name, media_type=_TYPES["xlsx"], content=path.read_bytes())
        if query.part is not None:
            return _one(path, query.part, stem)
        return Download(name=f"{stem}.zip", media_type=_TYPES["zip"], content=_zipped(path))


@router.get(
    "/forecast/export",
    response_class=Response,
    responses={200: {"content": {kind.partition(";")[0]: {} for kind in _TYPES.values()}}},
)
def get_export(seen: Annotated[Seen, allow("export")], query: Annotated[ExportQuery, Query()]) -> Response:
    """Forecast, renewals, consumption and what changed, as a file; texts of the CRM are neutralised."""
    file = exported(seen, query)
    headers = {"Content-Disposition": f'attachment; filename="{file.name}"'}
    return Response(file.content, media_type=file.media_type, headers=headers)


def _shown(seen: Seen, parts: Mapping[str, pa.Table]) -> Mapping[str, pa.Table]:
    """The parts without what the viewer may not see: single deals, figures and reasons that tell of few."""
    if seen.scope.single_deals:
        return parts
    found = {part: table for part, table in parts.items() if part not in _SINGLE}
    for part in _FIGURES:
        if part in found:
            rows = [row for row in seen_figures(seen, found[part].to_pylist()) if not row["hidden"]]
            found[part] = _like(found[part], rows)
    if "change" in found:
        found["change"] = _like(found["change"], seen_terms(seen, found["change"].to_pylist()))
    if "renewals" in found:
        found["renewals"] = _reasoned(seen, found["renewals"])
    return found


def _reasoned(seen: Seen, renewals: pa.Table) -> pa.Table:
    """The contracts, each with the strongest reason that the viewer may read."""
    if "top_reason" not in renewals.column_names:
        return renewals
    told = zip(renewals["contract_id"].to_pylist(), renewals["top_reason"].to_pylist(), strict=True)
    reasons = pa.array([seen_renewal_reason(seen, *one) for one in told], pa.string())
    return renewals.set_column(renewals.column_names.index("top_reason"), "top_reason", reasons)


def _like(table: pa.Table, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """The rows as a table with the other's columns."""
    return pa.Table.from_pylist(
        [{name: row[name] for name in table.column_names} for row in rows], table.schema
    )


def _one(folder: Path, part: str, stem: str) -> Download:
    parts = sorted(path.stem for path in folder.iterdir())
    if part not in parts:
        raise UsageError(f"part: expected one of {', '.join(parts)}, found {part!r}.")
    content = (folder / f"{part}.csv").read_bytes()
    return Download(name=f"{stem}-{part}.csv", media_type=_TYPES["csv"], content=content)


def _zipped(folder: Path) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    return held.getvalue()
