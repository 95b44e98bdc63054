"""Two browsers, a seller's and a customer's, and one sheet between them."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI

from data.answers import answered
from data.schema import QUESTIONS
from serving.access.actor import OWNER
from serving.app import create_app
from tests.serving.access_world import Client, finished, person, published, settings

START = datetime(2026, 1, 6, 9, tzinfo=UTC)
OURS, THEIRS = "canary-of-the-seller", "canary-of-the-customer"


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def app(tmp_path: Path, clock: Clock) -> Iterator[FastAPI]:
    made = create_app(settings(published(tmp_path)), now=clock)
    yield made
    made.state.store.close()


@pytest.fixture
def seller(app: FastAPI) -> Client:
    client = Client(app, person("R1", "rep"))
    names = {"vendor_name": "Our & Co", "deal_name": "Harbour <b>project</b>"}
    assert client.post("/qualify/D1", data=names).status_code == 303
    return client


def form(do: str, evidence: str, *, version: int = 0, level: int = 3, **changed: str) -> dict[str, str]:
    filled = {f"level_{question}": str(level) for question in QUESTIONS}
    filled |= {f"evidence_{question}": evidence for question in QUESTIONS}
    return {"do": do, "version": str(version), **filled, **changed}


def shared(seller: Client, **given: str) -> str:
    """The path of a new link for the customer's side."""
    response = seller.post("/qualify/D1/links", data={"recipient": "Dana", **given})
    assert response.status_code == 200
    address = re.search(r'id="made-link" value="([^"]+)"', response.text)
    assert address
    return urlsplit(address[1]).path


def test_both_sides_fill_in_the_sheet_and_then_see_both(app: FastAPI, seller: Client, clock: Clock) -> None:
    path, customer = shared(seller), Client(app)
    assert "has not answered yet" in customer.get(path).text
    assert seller.post("/qualify/D1/answers", data=form("submit", OURS)).status_code == 303
    assert "Waiting for the customer" in seller.get("/qualify/D1").text
    clock.at += timedelta(hours=3)
    assert customer.post(path, data=form("submit", THEIRS, level_when="0")).status_code == 303
    for page in (seller.get("/qualify/D1").text, customer.get(path).text):
        assert OURS in page
        assert THEIRS in page
        assert "3 of 4 agreed within a level" in page
        assert "the vendor is 3 levels more confident" in page
        assert "6 Jan 2026 12:00 UTC" in page
    assert answered(app.state.settings.workspace).num_rows == 8


def test_no_answer_of_the_server_holds_the_other_sides_words_before_both_are_in(
    app: FastAPI, seller: Client
) -> None:
    path, customer, colleague = shared(seller), Client(app), Client(app, person("M1", "manager"))
    seen_by_customer, seen_by_us = [], []
    assert seller.post("/qualify/D1/answers", data=form("save", OURS)).status_code == 303
    assert customer.post(path, data=form("save", THEIRS)).status_code == 303
    for do in ("save", "submit"):
        version = {"save": 1, "submit": 2}[do]
        seen_by_customer += [customer.get(path), customer.post(path, data=form("save", THEIRS, version=9))]
        for one in (seller, colleague):
            seen_by_us += [
                one.get("/qualify"), one.get("/qualify/D1"), one.get("/deals/D1"),
                one.get("/api/v1/deals/D1"), one.get("/api/v1/deals/D1/sheet"),
                one.get("/api/v1/qualification/sheets"), one.post("/qualify/D1/rounds"),
                one.post("/qualify/D1/answers", data=form("save", "")),
            ]  # fmt: skip
        if do == "save":
            assert customer.post(path, data=form(do, THEIRS, version=version)).status_code == 303
        else:
            assert customer.post(path, data=form(do, THEIRS, version=version)).status_code == 303
            seen_by_us += [seller.get("/qualify/D1"), seller.get("/api/v1/deals/D1/sheet")]
    assert all(response.status_code < 500 for response in seen_by_us + seen_by_customer)
    assert any(THEIRS in response.text for response in seen_by_customer)
    assert not any(OURS in response.text for response in seen_by_customer)
    assert any(OURS in response.text for response in seen_by_us)
    assert not any(THEIRS in response.text for response in seen_by_us)
    assert "has answered; you will see it once you submit" in seen_by_us[-2].text


def test_no_address_of_the_server_shows_a_customers_draft_even_to_who_sees_everything(
    app: FastAPI, seller: Client
) -> None:
    path, owner = shared(seller), Client(app, OWNER)
    assert Client(app).post(path, data=form("save", THEIRS)).status_code == 303
    described = app.openapi()["paths"]
    pages = ["/", "/deals", "/qualify", "/challenges", "/forecast", "/renewals", "/models", "/openapi.json",
             "/deals/D1", "/qualify/D1", "/deals/D1/challenge", "/deals/D1/what-if"]  # fmt: skip
    asked = [one.replace("{opportunity_id}", "D1") for one, verbs in described.items() if "get" in verbs]
    assert len(asked) > 20
    shown = [owner.get(one).text for one in (*asked, *pages)]
    assert not [one for one in shown if THEIRS in one]
    assert sum("Deal D1" in one or '"D1"' in one for one in shown) > 5


def test_the_customers_page_says_nothing_but_the_names_typed_for_it(app: FastAPI, seller: Client) -> None:
    response = Client(app).get(shared(seller))
    assert response.status_code == 200
    assert "Our &amp; Co" in response.text
    assert "Harbour &lt;b&gt;project&lt;/b&gt;" in response.text
    for word in ("Deal D1", "Acme", "Owner R1", "Proposal", "baseline-1", "EUR", "Dana", ">D1<"):
        assert word not in response.text, word
    assert not re.search(r"\d\s*%", response.text)
    assert "set-cookie" not in response.headers
    assert "noindex" in response.headers["x-robots-tag"]
    assert re.search(r'<meta name="robots" content="noindex', response.text)
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["referrer-policy"] == "same-origin"


def test_the_customers_form_works_without_script_cookie_or_referrer(app: FastAPI, seller: Client) -> None:
    path = shared(seller)
    transport = httpx.ASGITransport(app)

    async def from_a_mail_client() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8765") as bare:
            assert (await bare.get(path)).status_code == 200
            return await bare.post(path, data=form("submit", THEIRS))

    response = finished(from_a_mail_client())

    assert (response.status_code, response.headers["location"]) == (303, path)
    assert "set-cookie" not in response.headers


def test_a_draft_is_kept_and_shown_again_with_what_is_missing(app: FastAPI, seller: Client) -> None:
    path, customer = shared(seller), Client(app)
    response = customer.post(path, data=form("submit", THEIRS, level_why="", evidence_when="by the fair"))
    assert response.status_code == 422
    assert "Why: expected a level from 0 to 4, found none" in response.text
    again = customer.get(path).text
    assert "by the fair" in again
    assert 'name="version" value="1"' in again
    assert len(re.findall(r'type="radio"[^>]* checked', again)) == 3


def test_text_that_is_too_long_is_refused_and_nothing_typed_is_lost(app: FastAPI, seller: Client) -> None:
    path, customer = shared(seller), Client(app)
    response = customer.post(path, data=form("save", "y" * 2001, level_why="2"))
    assert response.status_code == 422
    assert "evidence: expected at most 2,000 characters, found 2,001" in response.text
    assert "y" * 2001 in response.text
    assert "y" * 2001 not in customer.get(path).text


def test_what_a_stranger_typed_is_escaped_on_every_page(app: FastAPI, seller: Client) -> None:
    path, attack = shared(seller), "</textarea><script>alert(1)</script>"
    customer = Client(app)
    customer.post(path, data=form("save", attack))
    assert "<script>alert" not in customer.get(path).text
    customer.post(path, data=form("submit", attack, version=1))
    seller.post("/qualify/D1/answers", data=form("submit", OURS))
    page = seller.get("/qualify/D1").text
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page


def test_a_link_that_ran_out_was_withdrawn_or_changed_opens_nothing(
    app: FastAPI, seller: Client, clock: Clock
) -> None:
    path, withdrawn, customer = shared(seller), shared(seller), Client(app)
    listed = seller.get("/api/v1/deals/D1/sheet").json()["links"]
    link_id = next(one["link_id"] for one in listed)
    gone = [one for one in (path, withdrawn) if seller.post(f"/qualify/D1/links/{link_id}/withdraw") and
            customer.get(one).status_code == 404]  # fmt: skip
    assert len(gone) == 1
    good = path if gone[0] == withdrawn else withdrawn
    assert customer.get(good).status_code == 200
    bad = [
        gone[0],
        good[:-1],
        good + "x",
        good.replace(".", "..", 1),
        "/customer/none",
        "/customer/" + "a" * 999,
    ]
    answers = [customer.get(one) for one in bad]
    answers += [customer.post(one, data=form("submit", THEIRS)) for one in bad]
    clock.at = START + timedelta(days=14)
    answers += [customer.get(good), customer.post(good, data=form("submit", THEIRS))]
    assert {response.status_code for response in answers} == {404}
    assert len({response.json()["error"]["message"] for response in answers}) == 1
    assert answered(app.state.settings.workspace).num_rows == 0


def test_answers_sent_again_change_nothing(app: FastAPI, seller: Client) -> None:
    path, customer = shared(seller), Client(app)
    seller.post("/qualify/D1/answers", data=form("submit", OURS))
    assert customer.post(path, data=form("submit", THEIRS, level_when="1")).status_code == 303
    replayed = customer.post(path, data=form("submit", "another text", level_when="4"))
    assert replayed.status_code == 409
    page = customer.get(path).text
    assert "another text" not in page
    assert customer.post(f"{path}/take-back").status_code == 409
    rows = answered(app.state.settings.workspace).to_pylist()
    assert {row["answer"] for row in rows if (row["question"], row["side"]) == ("when", "customer")} == {1}


def test_answers_are_taken_back_by_their_own_side_until_the_other_is_in(app: FastAPI, seller: Client) -> None:
    path, customer = shared(seller), Client(app)
    customer.post(path, data=form("submit", THEIRS))
    assert customer.post(f"{path}/take-back").status_code == 303
    assert THEIRS in customer.get(path).text
    assert "has not answered yet" in seller.get("/qualify/D1").text
    customer.post(path, data=form("submit", THEIRS, version=1))
    seller.post("/qualify/D1/answers", data=form("submit", OURS))
    assert seller.post("/qualify/D1/take-back").status_code == 409


def test_a_new_round_asks_both_sides_again_and_keeps_the_last(app: FastAPI, seller: Client) -> None:
    path, customer = shared(seller), Client(app)
    seller.post("/qualify/D1/answers", data=form("submit", OURS))
    customer.post(path, data=form("submit", THEIRS))
    assert seller.post("/qualify/D1/rounds").status_code == 303
    for page in (seller.get("/qualify/D1").text, customer.get(path).text):
        assert "Round 1, complete since" in page
        assert "Submit these answers" in page
    sheet = seller.get("/api/v1/deals/D1/sheet").json()
    assert (sheet["state"], [one["number"] for one in sheet["rounds"]]) == ("open", [1, 2])
    assert [one["answers"] for one in sheet["rounds"][1]["sides"]] == [[], []]


def test_a_sheet_is_reached_only_by_those_who_see_its_deal(app: FastAPI, seller: Client) -> None:
    foreign = [Client(app, person("R2", "rep")), Client(app, person("M2", "manager")),
               Client(app, person("R1", "finance"))]  # fmt: skip
    shared(seller)
    link_id = seller.get("/api/v1/deals/D1/sheet").json()["links"][0]["link_id"]
    for one in foreign:
        tried = [
            one.get("/qualify/D1"), one.get("/api/v1/deals/D1/sheet"),
            one.post("/qualify/D1", data={"vendor_name": "x", "deal_name": "y"}),
            one.post("/qualify/D1/answers", data=form("submit", "x")), one.post("/qualify/D1/take-back"),
            one.post("/qualify/D1/rounds"), one.post("/qualify/D1/links", data={"recipient": "me"}),
            one.post(f"/qualify/D1/links/{link_id}/withdraw"),
            one.post("/api/v1/deals/D1/sheet/links", json={}),
            one.request("DELETE", f"/api/v1/deals/D1/sheet/links/{link_id}"),
        ]  # fmt: skip
        absent = one.get("/api/v1/deals/D99/sheet")
        assert {response.status_code for response in tried} == {404}
        assert tried[1].json() == absent.json()
        assert "Harbour" not in one.get("/qualify").text
    assert "Harbour" in Client(app, person("M1", "manager")).get("/qualify").text
    assert Client(app).get("/qualify/D1").status_code == 401
    # a sheet of another deal one sees does not lead to this one's links
    other = Client(app, person("R2", "rep"))
    other.post("/qualify/D3", data={"vendor_name": "x", "deal_name": "y"})
    assert other.post(f"/qualify/D3/links/{link_id}/withdraw").status_code == 404


def test_our_name_is_offered_again_to_whoever_typed_it_and_to_nobody_else(
    app: FastAPI, seller: Client
) -> None:
    assert 'value="Our &amp; Co"' in seller.get("/qualify/D2").text
    assert "Our &amp; Co" not in Client(app, person("R2", "rep")).get("/qualify/D3").text


def test_a_write_from_another_site_is_refused(app: FastAPI, seller: Client) -> None:
    response = seller.post(
        "/qualify/D1/answers", data=form("submit", "x"), headers={"Origin": "https://evil.example"}
    )
    assert response.status_code == 403
    assert seller.get("/api/v1/deals/D1/sheet").json()["state"] == "open"


def test_the_json_and_the_page_hold_the_same_sheet(app: FastAPI, seller: Client) -> None:
    drafted = {"version": 0, "answers": {"why": {"level": 2, "evidence": "by phone"}}}
    saved = seller.request("PUT", "/api/v1/deals/D1/sheet/draft", json=drafted)
    assert saved.status_code == 200
    assert saved.json()["draft"][2] == {"question": "why", "level": 2, "evidence": "by phone"}
    assert "by phone" in seller.get("/qualify/D1").text
    incomplete = seller.post("/api/v1/deals/D1/sheet/submission", json={**drafted, "version": 1})
    assert (incomplete.status_code, incomplete.json()["error"]["code"]) == (400, "wrong_request")
    full = {question: {"level": 1} for question in QUESTIONS}
    done = seller.post("/api/v1/deals/D1/sheet/submission", json={"version": 2, "answers": full})
    assert (done.json()["state"], done.json()["as_of"]) == ("waiting", "2026-01-05T00:00:00Z")
    back = seller.request("DELETE", "/api/v1/deals/D1/sheet/submission")
    assert back.json()["state"] == "open"
    assert seller.post("/api/v1/deals/D1/sheet/rounds").status_code == 409
    link = seller.post("/api/v1/deals/D1/sheet/links", json={"days": 3})
    assert link.status_code == 201
    assert link.json()["link"]["expires_at"] == "2026-01-09T09:00:00Z"
    assert Client(app).get(urlsplit(link.json()["address"]).path).status_code == 200
    questions = seller.get("/api/v1/qualification/questions").json()["questions"]
    assert [(one["question"], len(one["levels"])) for one in questions] == [(name, 5) for name in QUESTIONS]


def test_no_log_holds_a_customers_token(app: FastAPI, seller: Client) -> None:
    path, customer = shared(seller), Client(app)
    customer.post(path, data=form("submit", THEIRS))
    token = path.rpartition("/")[2]
    kept = [file.read_text() for file in app.state.settings.workspace.glob("*.jsonl")]
    assert any("/customer/{token}" in text for text in kept)
    assert not any(token in text for text in kept)


def test_guessing_tokens_is_bounded_by_the_rate_limit(tmp_path: Path, clock: Clock) -> None:
    app = create_app(settings(published(tmp_path), rate_limit_per_minute=5), now=clock)
    guesser = Client(app)
    codes = [guesser.get(f"/customer/guess-{place}").status_code for place in range(8)]
    assert codes == [404] * 5 + [429] * 3
    app.state.store.close()


def test_a_seller_is_told_that_a_link_of_a_server_on_loopback_opens_there_alone(
    app: FastAPI, seller: Client, tmp_path: Path
) -> None:
    assert "The setting public_url names the address that customers use" in seller.get("/qualify/D1").text
    public = create_app(settings(tmp_path, public_url="https://deals.example.com"), now=lambda: START)
    identity = public.state.access.sessions.open(person("R1", "rep"))
    client = Client(public, url="https://deals.example.com")
    client.cookies.set("__Host-dealcast", identity)
    page = client.post("/qualify/D1/links", data={"recipient": "Dana"}).text
    assert "The setting public_url" not in page
    assert 'value="https://deals.example.com/customer/' in page
    public.state.store.close()


def test_the_list_says_how_far_each_sheet_has_come(app: FastAPI, seller: Client) -> None:
    seller.post("/qualify/D1/answers", data=form("submit", OURS))
    page = seller.get("/qualify").text
    row = page[page.index("Deal D1") : page.index("Begin a sheet")]
    assert "to the customer: Harbour &lt;b&gt;project&lt;/b&gt;" in row
    assert (row.count("answered"), row.count(">open<")) == (1, 1)
    assert OURS not in page
    assert "Deal D2" in page[page.index("Begin a sheet") :]
    assert "Deal D3" not in page
