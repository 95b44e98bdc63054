"""Every page, for each role, in a browser: nothing breaks, nothing leaves the server, all can use it."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.site import Site, watched

pytestmark = pytest.mark.slow

_ROLES = ("ops", "rep", "manager", "finance")
_SERIOUS = ("serious", "critical")


@pytest.mark.parametrize(("role", "scheme"), [*((role, "light") for role in _ROLES), ("ops", "dark")])
def test_every_page_is_sound_and_accessible(browser: Browser, site: Site, role: str, scheme: str) -> None:
    context = site.context(browser, role, color_scheme=scheme)
    held = watched(context, site.url)
    for path in site.pages_of(role):
        held.go(site.url + path)
        held.wrong += [f"{path}: {one}" for one in _barriers(held.page)]
        expect(held.page.locator("footer")).to_contain_text(site.run.run_id)
        expect(held.page.locator("footer")).to_contain_text(site.run.model_version)
    context.close()
    assert held.wrong == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_without_data_are_accessible_too(browser: Browser, site: Site, scheme: str) -> None:
    context = site.context(browser, "nobody", color_scheme=scheme)
    held = watched(context, site.url)
    for path, status in (("/", 200), ("/deals", 404), ("/no-such-page", 404)):
        held.go(site.url + path, status)
        held.wrong += [f"{path}: {one}" for one in _barriers(held.page)]
    context.close()
    assert held.wrong == []


def test_no_page_scrolls_sideways_on_a_phone(browser: Browser, site: Site) -> None:
    context = site.context(browser, "ops", viewport={"width": 390, "height": 844}, is_mobile=True)
    held = watched(context, site.url)
    wider = []
    for path in site.pages_of("ops"):
        held.go(site.url + path)
        wider += [path] if held.is_wider else []
    context.close()
    assert (wider, held.wrong) == ([], [])


def test_each_role_is_shown_its_own_pages(browser: Browser, site: Site) -> None:
    menus = {}
    for role in (*_ROLES, "nobody"):
        context = site.context(browser, role)
        page = context.new_page()
        page.goto(site.url + "/")
        menus[role] = (page.url.removeprefix(site.url), page.locator(".menu a").all_text_contents())
        context.close()
    selling = ["Deals", "Qualify", "Challenges"]
    assert menus == {
        "ops": ("/deals", ["Deals", "Renewals", "Forecast", "Models", "Qualify", "Challenges"]),
        "rep": ("/deals", selling),
        "manager": ("/deals", selling),
        "finance": ("/forecast", ["Renewals", "Forecast"]),
        "nobody": ("/", []),
    }


def test_a_rep_finds_own_deals_and_no_trace_of_others(browser: Browser, site: Site) -> None:
    mine = site.people["rep"].user_id
    deals = site.run.deals
    foreign = next(str(one) for one, owner in zip(deals.ids, deals.owner_id, strict=True) if owner != mine)
    context = site.context(browser, "rep")
    page = context.new_page()
    page.goto(site.url + "/deals?limit=200")
    shown = {link.rpartition("/")[2] for link in _links(page, ".deal-name a")}
    assert shown == {str(one) for one, held in zip(deals.ids, deals.owner_id, strict=True) if held == mine}
    answers = [page.goto(site.url + path) for path in (f"/deals/{foreign}", "/deals/no-such-deal")]
    assert [one.status for one in answers if one] == [404, 404]
    context.close()


def _barriers(page: Page) -> list[str]:
    """What axe finds serious or critical, with where it stands."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:160]} ({len(one['nodes'])})"
        for one in found
        if one["impact"] in _SERIOUS
    ]


def _links(page: Page, selector: str) -> list[str]:
    return [link.get_attribute("href") or "" for link in page.locator(selector).all()]
