"""Ways through the pages: by keyboard alone, without scripts, in the colours that were chosen."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.site import Site, watched

pytestmark = pytest.mark.slow


def test_the_keyboard_alone_leads_from_deals_to_a_step_and_back_to_a_filter(
    browser: Browser, site: Site
) -> None:
    context = site.context(browser, "ops")
    page = context.new_page()
    page.goto(site.url + "/deals")
    _tab_to(page, ".skip")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    _tab_to(page, ".deal-name a")
    page.keyboard.press("Enter")
    expect(page.locator(".chance-value")).to_be_visible()
    _tab_to(page, 'a[href$="/what-if"]')
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("What if")
    _tab_to(page, '.menu a[href="/deals"]')
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Open deals")
    _tab_to(page, ".filter-fold summary")
    page.keyboard.press("Enter")
    _tab_to(page, "#f-q")
    name = str(site.run.deals.name[0])
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    expect(page.locator(".deal-name a").first).to_have_text(name)
    wanted = [one for one in site.run.deals.name if name.casefold() in (one or "").casefold()]
    assert page.locator(".deal-name a").count() == len(wanted)
    context.close()


def test_headings_sort_and_say_so(browser: Browser, site: Site) -> None:
    context = site.context(browser, "ops")
    page = context.new_page()
    page.goto(site.url + "/deals")
    page.get_by_role("columnheader", name="Win").get_by_role("link").click()
    expect(page.get_by_role("columnheader", name="Win")).to_have_attribute("aria-sort", "ascending")
    least = str(site.run.deals.ids[-1])
    assert (page.locator(".deal-name a").first.get_attribute("href") or "").endswith(least)
    context.close()


def test_pages_work_without_scripts_and_charts_are_tables(browser: Browser, site: Site) -> None:
    context = site.context(browser, "ops", java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.url}/deals/{site.deal_of('ops')}")
    expect(page.locator("#chart-waterfall table")).to_be_visible()
    expect(page.locator("#chart-waterfall tbody tr").last).to_contain_text("This deal")
    page.goto(site.url + "/forecast?price=10")
    expect(page.locator("#scenario table").first).to_be_visible()
    page.get_by_label("Colours").select_option("dark")
    page.get_by_role("button", name="Set").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.url == site.url + "/forecast?price=10"
    context.close()


def test_the_chosen_colours_stay(browser: Browser, site: Site) -> None:
    context = site.context(browser, "ops", color_scheme="light")
    page = context.new_page()
    page.goto(site.url + "/deals")
    light = _paper(page)
    page.get_by_label("Colours").select_option("dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    dark = _paper(page)
    page.goto(site.url + "/renewals")
    assert (_paper(page), dark != light) == (dark, True)
    context.close()


def test_a_chart_follows_the_colours_of_the_page(browser: Browser, site: Site) -> None:
    filled = []
    for scheme in ("light", "dark"):
        context = site.context(browser, "ops", color_scheme=scheme)
        held = watched(context, site.url)
        held.go(f"{site.url}/deals/{site.deal_of('ops')}")
        label = held.page.locator("#chart-waterfall .role-axis-label text").first
        filled.append(label.evaluate("one => getComputedStyle(one).fill"))
        context.close()
    assert filled[0] != filled[1]


def test_leaving_ends_the_session(browser: Browser, site: Site) -> None:
    context = site.context(browser, "ops")
    page = context.new_page()
    page.goto(site.url + "/deals")
    page.locator(".who summary").click()
    page.get_by_role("button", name="Sign out").click()
    page.goto(site.url + "/deals")
    expect(page.locator("h1")).to_have_text("Sign in first")
    context.close()


def _tab_to(page: Page, selector: str, most: int = 80) -> None:
    """Press Tab until the first element that fits has the focus."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("wanted => document.activeElement.matches(wanted)", selector):
            return
    raise AssertionError(f"{most} times Tab did not lead to {selector}")


def _paper(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))
