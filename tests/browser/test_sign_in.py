"""Signing in with a browser at a real OpenID Connect server, and out again."""

import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, expect

from serving.app import create_app
from serving.live import hold
from tests.serving.access_world import settings
from tests.serving.oidc.issuer import ACCOUNTS, CLIENT_ID, SECRET, running_issuer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(served: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("signed")
    workspace, secret = folder / "workspace", folder / "secret"
    shutil.copytree(served, workspace)
    secret.write_text(SECRET)
    owner = next(one for one in hold(workspace).deals.owner_id if one is not None)
    accounts = {**ACCOUNTS, "seller": {"name": "Sal", "roles": ["rep"], "crm_user": owner}}
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    with running_issuer([url], accounts=accounts) as issuer:
        app = create_app(settings(
            workspace, public_url=url, oidc_issuer=issuer.address, oidc_client_id=CLIENT_ID,
            oidc_client_secret_file=secret, oidc_user_claim="crm_user",
        ))  # fmt: skip
        server = uvicorn.Server(uvicorn.Config(app, ws="none", log_config=None, access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield url
        server.should_exit = True
        thread.join(timeout=30)


@pytest.mark.parametrize(
    ("account", "lands"), [("seller", "/deals"), ("finance", "/forecast"), ("ops", "/deals")]
)
def test_who_signs_in_lands_on_their_first_page(
    browser: Browser, address: str, account: str, lands: str
) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(address + "/")
    page.get_by_label("Account").fill(account)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".menu")).to_be_visible()
    assert page.url == address + lands
    context.close()


def test_who_asked_for_a_page_comes_back_to_it_and_signing_out_ends_it(
    browser: Browser, address: str
) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(address + "/deals?sort=name")
    page.get_by_label("Account").fill("seller")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("h1")).to_have_text("Open deals")
    assert page.url == address + "/deals?sort=name"
    page.locator(".who summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("h1")).to_have_text("You are signed out")
    expect(page.get_by_role("link", name="Sign in again")).to_be_visible()
    answer = page.request.get(address + "/api/v1/deals")
    assert answer.status == 401
    context.close()
