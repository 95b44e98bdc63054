"""A running server, browsers of people in each role, and what a page did wrong while it was open."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, expect

from data.settings import Settings
from serving.access.actor import OWNER, Identity
from serving.app import create_app
from serving.live import HeldRun, hold
from serving.people import people_of
from serving.renewals import SCORES
from tests.serving.running import Served, serving

__all__ = ["CHROMIUM", "Site", "open_site", "watched"]

CHROMIUM = Path("/usr/bin/chromium")

_WATCH = """
window.found = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.found.push(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
"""


@dataclass(frozen=True)
class Site:
    """A server over a workspace, and who may come in."""

    served: Served
    run: HeldRun
    people: Mapping[str, Identity]

    @property
    def url(self) -> str:
        """The server's address, without a slash at its end."""
        return self.served.url

    def context(self, browser: Browser, role: str, **options: Any) -> BrowserContext:
        """A browser in which somebody of that role is signed in already."""
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        context.set_default_timeout(30_000)
        token = self.served.app.state.access.sessions.open(self.people[role])
        name = f"dealcast-{self.url.rpartition(':')[2]}"
        context.add_cookies([{"name": name, "value": token, "url": self.url}])
        return context

    def deal_of(self, role: str) -> str:
        """The likeliest deal that the role's person, or their team, owns."""
        person = self.people[role].user_id
        team = people_of(self.run).team(person) if person else None
        return next(
            str(one)
            for one, owner in zip(self.run.deals.ids, self.run.deals.owner_id, strict=True)
            if team is None or owner in team
        )

    def pages_of(self, role: str) -> list[str]:
        """Every page that the role may see, one of each kind."""
        both = {"rep": _selling, "manager": _selling, "finance": _counting}
        if role in both:
            return both[role](self, role)
        return [*_selling(self, role), *_counting(self, role), "/models"]


def _selling(site: Site, role: str) -> list[str]:
    deal = site.deal_of(role)
    return [
        "/deals", "/deals?q=e&sort=-amount&p_min=0.1", f"/deals/{deal}", f"/deals/{deal}/what-if",
        f"/deals/{deal}/evidence/meetings_held",
        "/qualify", f"/qualify/{deal}", "/challenges", f"/deals/{deal}/challenge",
    ]  # fmt: skip


def _counting(site: Site, role: str) -> list[str]:
    pages = ["/forecast", "/forecast?period=quarter&price=5", "/renewals"]
    if site.run.has(SCORES) and site.run.table(SCORES).num_rows:
        pages.append(f"/renewals/{site.run.table(SCORES)['contract_id'][0].as_py()}")
    return pages


@contextmanager
def open_site(workspace: Path) -> Iterator[Site]:
    """The workspace served, until the block ends; the server keeps its own store there."""
    run = hold(workspace)
    people = people_of(run)
    owners = [one for one in run.deals.owner_id if one is not None]
    rep = max(sorted(set(owners)), key=owners.count)
    manager = max(sorted(people.reports), key=lambda one: sum(o in people.team(one) for o in owners))
    known = {
        "ops": OWNER,
        "rep": Identity("s-rep", "Rep", frozenset({"rep"}), "sign-in", user_id=rep),
        "manager": Identity("s-manager", "Manager", frozenset({"manager"}), "sign-in", user_id=manager),
        "finance": Identity("s-finance", "Finance", frozenset({"finance"}), "sign-in"),
        "nobody": Identity("s-nobody", "Nobody", frozenset(), "sign-in"),
    }
    with serving(create_app(Settings(workspace=workspace))) as served:
        yield Site(served, run, known)


@dataclass
class Watched:
    """A page, and what went wrong on it: scripts, policies, addresses outside, dialogs."""

    page: Page
    wrong: list[str] = field(default_factory=list)

    def go(self, address: str, status: int = 200) -> None:
        """Open the address, with every chart drawn. Raises AssertionError for another status."""
        answer = self.page.goto(address)
        assert answer is not None
        assert answer.status == status, (address, answer.status)
        for chart in self.page.locator(".chart").all():
            chart.scroll_into_view_if_needed()
            expect(chart).to_contain_class("drawn", timeout=30_000)
        self.page.evaluate("window.scrollTo(0, 0)")
        self.wrong += [f"{address}: {one}" for one in self.page.evaluate("window.found")]

    @property
    def is_wider(self) -> bool:
        """Whether the page can be scrolled sideways."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))


def watched(context: BrowserContext, url: str) -> Watched:
    """A new page of the browser, watched."""
    page = context.new_page()
    page.add_init_script(_WATCH)
    held = Watched(page)
    page.on("pageerror", lambda error: held.wrong.append(f"script: {error}"))
    page.on("dialog", lambda dialog: (held.wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda asked: held.wrong.append(f"outside: {asked.url}")
            if not asked.url.startswith((url, "data:")) else None)  # fmt: skip
    page.on("console", lambda said: held.wrong.append(f"console: {said.text}")
            if said.type in ("error", "warning") and "404" not in said.text else None)  # fmt: skip
    return held
