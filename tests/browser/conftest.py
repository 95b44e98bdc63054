"""One browser and one server for all tests of a process."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.site import CHROMIUM, Site, open_site

_ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is absent: the browser tests need Debian's package chromium")
    with sync_playwright() as playwright:
        held = playwright.chromium.launch(executable_path=str(CHROMIUM), args=_ARGUMENTS)
        yield held
        held.close()


@pytest.fixture(scope="session")
def site(served: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    workspace = tmp_path_factory.mktemp("browser") / "workspace"
    shutil.copytree(served, workspace)
    with open_site(workspace) as held:
        yield held
