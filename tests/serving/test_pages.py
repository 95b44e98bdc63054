"""Pages over a run that can be read by hand: what they show, and what they say when there is nothing."""

import gzip
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fastapi import FastAPI

from serving.access.actor import OWNER
from serving.app import create_app
from serving.pages.bundle import bundle_name, chart_bundle
from serving.pages.render import STATIC, environment
from tests.serving.access_world import Client, person, published, settings


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    return create_app(settings(published(tmp_path_factory.mktemp("pages"))))


def test_the_list_shows_the_numbers_of_the_api(app: FastAPI) -> None:
    client = Client(app, OWNER)
    shown, held = client.get("/deals").text, client.get("/api/v1/deals").json()
    names = [one["name"] for one in held["deals"]]
    assert names == ["Deal D1", "Deal D4", "Deal D2", "Deal D3", "Deal D5", "Deal D6"]
    assert [shown.index(f">{name}</a>") for name in names] == sorted(shown.index(f">{n}</a>") for n in names)
    for deal in held["deals"]:
        row = shown[shown.index(f">{deal['name']}</a>") :]
        row = row[: row.index("</tr>")]
        assert f"{100 * deal['p_win']:.0f}\u00a0%" in row
        assert f"{deal['amount']:,.0f}\u00a0EUR" in row
    assert "6 deals; about 3.3 expected to be won" in " ".join(shown.split())


def test_a_page_says_as_of_when_by_which_model_and_run(app: FastAPI) -> None:
    foot = Client(app, OWNER).get("/deals").text.partition("<footer")[2]
    assert "5 Jan 2026" in foot
    assert "model baseline-1" in foot
    assert "20260105T000000Z-00000a" in foot
    assert "Baseline scores" in foot


@pytest.mark.parametrize("path", ["/deals", "/deals/D1", "/renewals", "/forecast", "/models", "/qualify"])
def test_pages_of_a_run_without_forecast_or_model_say_so_and_stand(app: FastAPI, path: str) -> None:
    answer = Client(app, OWNER).get(path)
    assert answer.status_code == 200
    assert "<h1" in answer.text


def test_a_run_without_renewals_or_forecast_names_the_remedy(app: FastAPI) -> None:
    client = Client(app, OWNER)
    assert "Give the source a table" in client.get("/renewals").text
    assert "This run holds no forecast" in client.get("/forecast").text


def test_before_the_first_run_a_page_says_how_to_publish(tmp_path: Path) -> None:
    app = create_app(settings(tmp_path))
    answer = Client(app, OWNER).get("/deals", headers={"Accept": "text/html"})
    assert answer.status_code == 503
    assert "Not ready yet" in answer.text
    assert "<code>dealcast run" in answer.text


def test_who_has_no_role_is_told_kindly_and_sees_no_menu(app: FastAPI) -> None:
    answer = Client(app, person("R1")).get("/")
    assert "there is nothing here for you yet" in answer.text
    assert 'class="menu"' not in answer.text


def test_an_unknown_page_and_an_unseen_deal_look_alike(app: FastAPI) -> None:
    rep = Client(app, person("R1", "rep"))
    foreign, unknown = (rep.get(path, headers={"Accept": "text/html"}) for path in ("/deals/D3", "/deals/D9"))
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.text.replace("/deals/D3", "") == unknown.text.replace("/deals/D9", "")


def test_filters_of_a_form_with_empty_fields_are_those_that_say_something(app: FastAPI) -> None:
    shown = Client(app, OWNER).get("/deals?q=&owner=R1&region=&p_min=&closing_within=&sort=name").text
    assert [name for name in ("D1", "D2", "D3") if f">Deal {name}</a>" in shown] == ["D1", "D2"]


def test_a_filter_that_does_not_exist_is_named(app: FastAPI) -> None:
    answer = Client(app, OWNER).get("/deals?colour=red", headers={"Accept": "text/html"})
    assert answer.status_code == 400
    assert "colour" in answer.text


def test_the_choice_of_colours_leads_back_to_this_server_alone(app: FastAPI) -> None:
    client = Client(app, OWNER)
    for back, to in (("/deals?q=a", "/deals?q=a"), ("//else.example", "/"), ("https://else.example", "/")):
        answer = client.post("/theme", data={"theme": "dark", "back": back})
        assert (answer.status_code, answer.headers["location"]) == (303, to)
    assert 'data-theme="dark"' in client.get("/deals").text
    assert client.post("/theme", data={"theme": "pink"}).status_code == 400


@pytest.mark.parametrize("name", ["app.py", "..%2fwords.py", "%2e%2e/render.py", "app.css%00.svg", "nothing"])
def test_only_the_known_static_files_exist(app: FastAPI, name: str) -> None:
    assert Client(app).get(f"/static/{name}").status_code in (400, 404)


def test_static_files_carry_their_hash_and_may_be_kept(app: FastAPI) -> None:
    page = Client(app, OWNER).get("/deals").text
    address = page.partition('rel="stylesheet" href="')[2].partition('"')[0]
    answer = Client(app).get(address)
    assert answer.content == (STATIC / "app.css").read_bytes()
    assert "immutable" in answer.headers["cache-control"]


class _Inline(HTMLParser):
    """What a strict content security policy forbids in markup."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        held = dict(attrs)
        self.found += [f"{tag} {name}" for name in held if name == "style" or name.startswith("on")]
        is_code = tag == "script" and held.get("type") != "application/json"
        if tag == "style" or (is_code and not held.get("src", "").startswith("/")):
            self.found.append(tag)


@pytest.mark.parametrize("path", ["/deals", "/deals/D1", "/forecast", "/models", "/deals/D1/what-if"])
def test_no_page_has_scripts_or_styles_in_its_markup(app: FastAPI, path: str) -> None:
    parser = _Inline()
    parser.feed(Client(app, OWNER).get(path).text)
    assert parser.found == []


def test_templates_escape_whatever_their_name() -> None:
    made = environment().from_string("{{ text }}<script type='application/json'>{{ held | tojson }}</script>")
    shown = made.render(text="<b>", held={"a": "</script><script>alert(1)</script>"})
    assert shown.startswith("&lt;b&gt;")
    assert shown.count("</script>") == 1


def test_the_chart_library_is_made_once_and_served_to_who_is_signed_in(app: FastAPI, tmp_path: Path) -> None:
    path = chart_bundle(tmp_path)
    assert path is not None
    assert b"window.vegaEmbed" in gzip.decompress(path.read_bytes())
    made_at = path.stat().st_mtime_ns
    assert chart_bundle(tmp_path) == path
    assert path.stat().st_mtime_ns == made_at
    answer = Client(app, OWNER).get(f"/assets/{bundle_name()}")
    assert (answer.status_code, answer.headers["content-encoding"]) == (200, "gzip")
    assert "immutable" in answer.headers["cache-control"]
    assert Client(app).get(f"/assets/{bundle_name()}").status_code == 401
    assert Client(app, OWNER).get("/assets/charts-0000.js").status_code == 404


def test_a_workspace_that_cannot_hold_the_library_still_has_pages(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert chart_bundle(tmp_path) is None
    app = create_app(settings(published(tmp_path)))
    assert Client(app, OWNER).get(f"/assets/{bundle_name()}").status_code == 503
    assert Client(app, OWNER).get("/deals").status_code == 200


@pytest.mark.slow
def test_what_cannot_be_worked_out_is_explained_beside_the_form(served: Path, tmp_path: Path) -> None:
    shutil.copytree(served, tmp_path / "workspace")
    app = create_app(settings(tmp_path / "workspace"))
    deal = app.state.live.run().deals.ids[0]
    client = Client(app, OWNER)
    for address, said in (
        ("/forecast?of=planet:mars&price=5", "level: Input should be"),
        ("/forecast?of=region:nowhere&price=5", "no region &#39;nowhere&#39; is in the forecast"),
        ("/forecast?won=D9&lost=D9", "expected one of the two for &#39;D9&#39;"),
        (f"/deals/{deal}/what-if?steps=fly", "expected steps suggested for the deal"),
        (f"/deals/{deal}/what-if?feature=meetings_held&value=nan", "meetings_held: expected a number"),
        (f"/deals/{deal}/what-if?feature=amount&value=1", "not a feature that a seller can move"),
    ):
        answer = client.get(address)
        alert = answer.text.partition('role="alert">')[2].partition("</p>")[0]
        assert (answer.status_code, said in alert) == (200, True), (address, alert)
