"""Pages from templates: one environment that escapes everything, one context that every page has."""

import hashlib
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from serving.access.policy import allowed_actions
from serving.pages import words
from serving.pages.bundle import bundle_name
from serving.text import printable

__all__ = ["STATIC", "THEMES", "THEME_COOKIE", "environment", "page"]

STATIC = Path(__file__).with_name("static")
"""The folder of the style sheet, the script and the icon."""
THEMES = ("auto", "light", "dark")
THEME_COOKIE = "dealcast_theme"
_TICKED = re.compile(r"`([^`]+)`")
_SHOWN_IN_MENU = (
    ("deals", "Deals", "/deals"),
    ("renewals", "Renewals", "/renewals"),
    ("forecast", "Forecast", "/forecast"),
    ("models", "Models", "/models"),
    ("act", "Qualify", "/qualify"),
    ("act", "Challenges", "/challenges"),
)


@cache
def environment() -> jinja2.Environment:
    """The templates, with autoescape on whatever the name, and undefined names an error."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("serving.pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in words.__all__:
        if name != "MISSING":
            made.filters[name] = getattr(words, name)
    made.filters["printable"] = printable
    made.filters["shown_as"] = _shown_as
    made.filters["coded"] = _coded
    made.globals["MISSING"] = words.MISSING
    made.globals["static"] = _static_address
    made.globals["charts_script"] = _charts_script
    return made


def page(
    request: Request, template: str, seen: Any = None, *, status: int = 200, **values: Any
) -> HTMLResponse:
    """The page that the template makes of the values.

    seen: the run and the viewer (`serving.access.gate.Seen`), for the menu and for the line that says as of
    when and by which model; None on pages that show no run, such as the customer's sheet.
    """
    content = environment().get_template(template).render(**_frame(request, seen), **values)
    return HTMLResponse(content, status_code=status, headers={"Cache-Control": "no-store"})


def _theme_of(request: Request) -> str:
    """The theme that the visitor chose; auto follows the system."""
    chosen = request.cookies.get(THEME_COOKIE, "auto")
    return chosen if chosen in THEMES else "auto"


def _frame(request: Request, seen: Any) -> Mapping[str, Any]:
    """What the base layout shows."""
    run = getattr(seen, "run", None)
    return {
        "seen": seen,
        "run": run,
        "actor": getattr(seen, "actor", None),
        "notices": () if run is None else run.notices(),
        "menu": _menu(seen),
        "here": request.url.path,
        "back": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
        "theme": _theme_of(request),
    }


def _menu(seen: Any) -> list[tuple[str, str]]:
    if seen is None:
        return []
    allowed = allowed_actions(seen.actor, seen.run)
    return [(title, path) for action, title, path in _SHOWN_IN_MENU if action in allowed]


def _coded(text: str) -> Markup:
    """The text, escaped, with what stands between backticks as code.

    >>> str(_coded("`dealcast run` & <b>"))
    '<code>dealcast run</code> &amp; &lt;b&gt;'
    """
    return Markup(_TICKED.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped just before


def _shown_as(value: Any, name: str) -> Any:
    """The value by the function of `words` of that name; as it is where there is none."""
    return value if not name else getattr(words, name)(value)


def _charts_script() -> Markup:
    """What a page with charts loads: the library, and the script that draws with it."""
    sources = (f"/assets/{bundle_name()}", _static_address("charts.js"))
    return Markup("").join(Markup('<script type="module" src="{}"></script>').format(one) for one in sources)


@cache
def _static_address(name: str) -> str:
    """The address of a static file with its content's hash, so that a browser may keep it for long."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"
