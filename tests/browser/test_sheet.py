"""A seller and a customer with one sheet between them: by keyboard, at phone width, without scripts."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.site import Site

pytestmark = pytest.mark.slow
QUESTIONS = ("means", "decision_process", "why", "when")


def test_a_seller_shares_a_sheet_and_a_customer_answers_it_by_keyboard_alone(
    browser: Browser, site: Site
) -> None:
    ours = site.context(browser, "rep", java_script_enabled=False)
    seller = ours.new_page()
    seller.goto(f"{site.url}/qualify/{site.deal_of('rep')}")
    seller.get_by_label("Our name").fill("Nordwind <b>Analytics</b>")
    seller.get_by_label("Name of the project").fill("Harbour planning")
    seller.get_by_role("button", name="Begin").click()
    seller.get_by_label("For whom").fill("Dana")
    seller.get_by_role("button", name="Make a link").click()
    link = seller.get_by_label("Link", exact=True).input_value()

    theirs = browser.new_context(viewport={"width": 390, "height": 844})
    customer = theirs.new_page()
    customer.goto(link)
    expect(customer.get_by_role("heading", level=1)).to_have_text("Harbour planning")
    expect(customer.get_by_text("Nordwind <b>Analytics</b> has not answered yet")).to_be_visible()
    for question in QUESTIONS:
        _tab_to(customer, f'input[name="level_{question}"]')
        customer.keyboard.press("Space")
        customer.keyboard.press("ArrowDown")
        _tab_to(customer, f"#evidence_{question}")
        customer.keyboard.type(f"seen on {question}")
    _tab_to(customer, 'button[value="submit"]')
    customer.keyboard.press("Enter")
    expect(customer.get_by_role("heading", name="Thank you: your answers are in")).to_be_visible()
    assert customer.evaluate("document.documentElement.scrollWidth") <= 390
    assert theirs.cookies() == []

    seller.goto(f"{site.url}/qualify/{site.deal_of('rep')}")
    expect(seller.get_by_text("The customer’s side has answered; you will see it once")).to_be_visible()
    assert "seen on" not in seller.content()
    for question in QUESTIONS:
        seller.locator(f'input[name="level_{question}"][value="3"]').check()
    seller.get_by_role("button", name="Submit these answers").click()
    expect(seller.get_by_text("seen on means")).to_be_visible()
    customer.reload()
    expect(customer.get_by_text("the vendor is 2 levels more confident")).to_have_count(4)
    ours.close()
    theirs.close()


def test_a_factor_is_challenged_and_both_numbers_stand_beside_it(browser: Browser, site: Site) -> None:
    context = site.context(browser, "manager")
    page = context.new_page()
    deal = site.deal_of("manager")
    page.goto(f"{site.url}/deals/{deal}/challenge")
    page.get_by_label("Factor", exact=True).select_option(index=0)
    page.get_by_role("button", name="Choose").click()
    page.get_by_label("Why it is wrong").fill("We met by phone.\nThe CRM has no row of it.")
    page.get_by_role("button", name="Challenge it").click()
    row = page.locator("#challenges tbody tr").filter(has_text="We met by phone.")
    expect(row.locator("td.num")).to_have_count(2)
    row.get_by_role("button", name="Withdraw").click()
    expect(row).to_contain_text("withdrawn")
    context.close()


def _tab_to(page: Page, wanted: str) -> None:
    """Press the tab key until the focus is there. Raises AssertionError if it never is."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("(wanted) => document.activeElement.matches(wanted)", wanted):
            return
    raise AssertionError(f"the tab key does not reach {wanted}")
