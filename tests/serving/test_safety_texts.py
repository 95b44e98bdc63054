"""Texts of the CRM are data: escaped on every page, plain in JSON, never a formula in an export."""

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import httpx
import openpyxl
import pyarrow as pa
import pytest

from data.settings import load_settings
from serving.app import create_app
from serving.publish import publish
from tests.serving.forecast_runs import deal, published, tables
from tests.serving.running import entered
from tests.serving.test_publish import FIRST, IDS, publication

SCRIPT = "</script><script>alert(1)</script>"
IMAGE = '"><img src=x onerror=alert(1)>'
LINK = "javascript:alert(1)"
FORMULA = '=HYPERLINK("https://evil.example","x")'
PAGES = ("/", "/deals", "/deals/A-1", "/qualify", "/qualify/A-1", "/challenges", "/renewals", "/models")


def hostile() -> dict[str, object]:
    """A run in which every text is an attack."""
    deals = publication().deals
    texts = {
        "name": [SCRIPT, IMAGE, LINK], "account": [IMAGE, SCRIPT, LINK], "owner": [SCRIPT, IMAGE, LINK],
        "owner_id": [IMAGE, SCRIPT, LINK], "stage": [SCRIPT, IMAGE, LINK], "currency": [IMAGE, SCRIPT, LINK],
        "evidence": [SCRIPT] * 3, "top_reason": [IMAGE] * 3,
    }  # fmt: skip
    for name, values in texts.items():
        place = deals.column_names.index(name)
        deals = deals.set_column(place, name, pa.array(values))
    reasons = pa.table({
        "opportunity_id": IDS, "feature": ["meetings", "meetings", "stage"], "log_odds": [1.5, 0.5, -0.75],
        "sentence": [SCRIPT, IMAGE, LINK],
    })  # fmt: skip
    drivers = pa.table({
        "opportunity_id": IDS, "family": ["momentum"] * 3, "title": [IMAGE, SCRIPT, LINK],
        "log_odds": [2.0, 0.5, -1.0],
    })  # fmt: skip
    features = publication().features
    features = features.set_column(2, "stage", pa.array([SCRIPT, IMAGE, LINK]))
    return {"deals": deals, "reasons": reasons, "drivers": drivers, "features": features}


@pytest.fixture(scope="module")
def visitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    workspace = tmp_path_factory.mktemp("hostile")
    publish(workspace, FIRST, publication(**hostile()))
    with entered(create_app(load_settings(workspace=workspace))) as client:
        client.headers["Accept"] = "text/html"
        yield client


def tags_of(page: str) -> list[tuple[str, dict[str, str | None]]]:
    """The page's tags with their attributes, as a parser sees them."""
    found: list[tuple[str, dict[str, str | None]]] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append((tag, dict(attrs)))

    Reader().feed(page)
    return found


@pytest.mark.parametrize("path", PAGES)
def test_a_page_shows_hostile_texts_as_text(visitor: httpx.Client, path: str) -> None:
    page = visitor.get(path, follow_redirects=True)
    assert page.status_code == 200, page.text[:500]
    tags = tags_of(page.text)
    assert tags
    for tag, attributes in tags:
        assert tag != "img"
        assert tag != "script" or "src" in attributes or attributes.get("type") == "application/json"
        assert not [name for name in attributes if name.startswith("on") or name == "style"], (
            tag,
            attributes,
        )
        for name in ("href", "src", "action", "formaction"):
            assert not (attributes.get(name) or "").strip().lower().startswith(("javascript:", "data:text"))


def test_the_deals_page_does_show_the_hostile_names(visitor: httpx.Client) -> None:
    assert "&lt;script&gt;alert(1)" in visitor.get("/deals").text


@pytest.mark.parametrize(
    "path", ["/deals?q={}", "/deals?owner={}", "/deals?sort={}", "/deals/{}", "/nothing/{}", "/renewals/{}"]
)
def test_what_a_request_says_is_not_run_where_it_is_said_again(visitor: httpx.Client, path: str) -> None:
    for text in (SCRIPT, IMAGE):
        page = visitor.get(path.format(httpx.QueryParams({"x": text}).get("x")))
        assert "<script>alert" not in page.text
        assert "<img" not in page.text


def test_json_is_said_to_be_json_so_that_no_browser_runs_it(visitor: httpx.Client) -> None:
    for path in ("/api/v1/deals", "/api/v1/deals/A-1", "/api/v1/deals/none", "/api/v1/deals?sort=<script>"):
        answer = visitor.get(path)
        assert answer.headers["content-type"].startswith("application/json"), path
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_no_cell_of_an_export_is_a_formula(tmp_path: Path) -> None:
    attacks = [FORMULA, "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1"]
    held = [deal(f"D{n}", account=text, region=text) for n, text in enumerate(attacks)]
    published(tmp_path, FIRST, tables(held))
    with entered(create_app(load_settings(workspace=tmp_path))) as client:
        workbook = client.get("/api/v1/forecast/export", params={"format": "xlsx"})
        folder = client.get("/api/v1/forecast/export", params={"format": "csv"})
    assert workbook.status_code == folder.status_code == 200, workbook.text[:500]
    assert "attachment" in workbook.headers["content-disposition"]
    kinds = {
        cell.data_type
        for sheet in openpyxl.load_workbook(io.BytesIO(workbook.content))
        for row in sheet.iter_rows()
        for cell in row
    }
    assert "f" not in kinds
    texts = []
    with zipfile.ZipFile(io.BytesIO(folder.content)) as files:
        for name in files.namelist():
            for row in csv.reader(io.StringIO(files.read(name).decode("utf-8-sig"))):
                texts += [cell for cell in row if not re.fullmatch(r"-?[\d.]+(e[+-]?\d+)?", cell)]
    assert any("HYPERLINK" in text for text in texts)
    assert not [text for text in texts if text[:1] in "=+-@\t\r" and text]


def test_exports_are_in_the_audit(tmp_path: Path) -> None:
    published(tmp_path, FIRST, tables([deal("D1")]))
    with entered(create_app(load_settings(workspace=tmp_path))) as client:
        assert client.get("/api/v1/forecast/export", params={"format": "xlsx"}).status_code == 200
    line = (tmp_path / "audit.jsonl").read_text().splitlines()[-1]
    assert '"route":"/api/v1/forecast/export"' in line
    assert '"actor":"link:workspace"' in line
