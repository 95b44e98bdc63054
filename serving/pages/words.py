"""Numbers, times and texts as people read them on a page; what is unknown is a dash.

Units are always shown; the sign of a change too. Texts from the CRM pass `serving.text.printable`, and the
templates escape them.
"""

import math
from datetime import UTC, date, datetime
from urllib.parse import urlsplit

from serving.text import printable

__all__ = [
    "MISSING",
    "capital",
    "changed",
    "count",
    "day",
    "fine",
    "log_odds",
    "money",
    "number",
    "ordinal",
    "percent",
    "points",
    "short_money",
    "span",
    "told",
    "uncapital",
    "web_link",
    "when",
    "words",
]

MISSING = "–"
_NBSP = "\u00a0"
_MINUS = "\u2212"
_SMALL_POINTS = 0.05
_SAID = {"fomo": "Fear of missing out", "postpay": "Post-pay", "ece": "Calibration error", "auc": "AUC"}


def percent(share: float | None, digits: int = 0) -> str:
    """A share from 0 to 1 in percent; what is neither is never rounded to 0 or 100.

    >>> percent(0.724), percent(0.0004), percent(0.9999), percent(None)
    ('72\\xa0%', '<1\\xa0%', '>99\\xa0%', '–')
    """
    if share is None or not math.isfinite(share):
        return MISSING
    shown, step = round(100 * share, digits), 10**-digits
    if share > 0 and shown <= 0:
        return f"<{step:g}{_NBSP}%"
    if share < 1 and shown >= 100:
        return f">{100 - step:g}{_NBSP}%"
    return f"{shown:.{digits}f}{_NBSP}%"


def points(change: float | None, digits: int = 0) -> str:
    """A change of a probability in percentage points, with its sign.

    >>> points(0.034), points(-0.12), points(0.0001), points(None)
    ('+3 points', '−12 points', '±0 points', '–')
    """
    if change is None or not math.isfinite(change):
        return MISSING
    if round(abs(100 * change), digits) < _SMALL_POINTS:
        return "±0 points"
    shown = f"{abs(100 * change):.{digits}f}"
    unit = "point" if shown == "1" else "points"
    return f"{_sign(change)}{shown} {unit}"


def log_odds(value: float | None) -> str:
    """A contribution in log-odds with its sign.

    >>> log_odds(0.4385), log_odds(-0.2), log_odds(0.0)
    ('+0.44', '−0.20', '0.00')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    shown = f"{abs(value):.2f}"
    return shown if shown == "0.00" else f"{_sign(value)}{shown}"


def number(value: float | None, digits: int = 2) -> str:
    """A plain number: whole ones without decimals, thousands separated.

    >>> number(1057.0), number(0.8312), number(-2.5), number(None)
    ('1,057', '0.83', '−2.50', '–')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    shown = f"{abs(value):,.0f}" if float(value).is_integer() else f"{abs(value):,.{digits}f}"
    return f"{_MINUS if value < 0 else ''}{shown}"


def fine(value: float | None) -> str:
    """A figure of a model, to three decimals.

    >>> fine(0.44129), fine(-0.0021), fine(None)
    ('0.441', '−0.002', '–')
    """
    return MISSING if value is None or not math.isfinite(value) else f"{value:.3f}".replace("-", _MINUS)


def count(n: int, one: str, many: str | None = None) -> str:
    """How many of what.

    >>> count(1, "deal"), count(1290, "deal"), count(2, "company", "companies")
    ('1 deal', '1,290 deals', '2 companies')
    """
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def ordinal(n: int) -> str:
    """A place.

    >>> [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 1002)]
    ['1st', '2nd', '3rd', '4th', '11th', '12th', '13th', '21st', '1,002nd']
    """
    ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n:,}{ending}"


def told(value: bool | float | str | None, unit: str = "") -> str:
    """A feature's value with its unit.

    >>> told(None), told(True), told(8.0, "touchpoints"), told(0.6, "share"), told("won_back", "")
    ('not known', 'yes', '8 touchpoints', '60\xa0%', 'Won back')
    """
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return words(value) if "_" in value else printable(value, longest=80)
    if unit in ("share", "probability"):
        return percent(value) if 0 <= value <= 1 else number(value)
    return f"{number(value)} {unit}".rstrip()


def money(amount: float | None, currency: str | None = None, *, signed: bool = False) -> str:
    """An amount with thousands separated and its currency.

    >>> money(1234567.4, "EUR"), money(-12.5, None), money(500.0, "EUR", signed=True), money(None)
    ('1,234,567\\xa0EUR', '−12.50', '+500\\xa0EUR', '–')
    """
    if amount is None or not math.isfinite(amount):
        return MISSING
    shown = f"{abs(amount):,.0f}" if abs(amount) >= 100 or amount == 0 else f"{abs(amount):,.2f}"
    sign = _sign(amount) if signed and amount else _MINUS if amount < 0 else ""
    return f"{sign}{shown} {printable(currency, longest=8)}".rstrip().replace(" ", _NBSP)


def short_money(amount: float | None, currency: str | None = None) -> str:
    """An amount in thousands or millions, for headings; the exact one stands elsewhere.

    >>> short_money(1234567.4, "EUR"), short_money(86770.0), short_money(950.0), short_money(None)
    ('1.23\\xa0M\\xa0EUR', '86.8\\xa0k', '950', '–')
    """
    if amount is None or not math.isfinite(amount):
        return MISSING
    for size, unit in ((1e9, "bn"), (1e6, "M"), (1e3, "k")):
        if abs(amount) >= size:
            whole = abs(amount) / size
            shown = f"{whole:.{max(0, 2 - len(str(int(whole))) + 1)}f} {unit}"
            break
    else:
        shown = f"{abs(amount):.0f}"
    text = f"{_MINUS if amount < 0 else ''}{shown} {printable(currency, longest=8)}"
    return text.rstrip().replace(" ", _NBSP)


def changed(value: float | None) -> str:
    """Which way a change goes, as a class name: up, down, or flat for what rounds to no point.

    >>> changed(0.02), changed(-0.006), changed(-0.003), changed(None)
    ('up', 'down', 'flat', 'flat')
    """
    if value is None or not math.isfinite(value) or round(abs(100 * value)) == 0:
        return "flat"
    return "up" if value > 0 else "down"


def when(instant: datetime | str | None) -> str:
    """A UTC instant as people read it: a date where it is a midnight. Texts are ISO times.

    >>> when("2026-01-05T00:00:00Z"), when(datetime(2026, 1, 5, 7, 30, tzinfo=UTC))
    ('5 Jan 2026', '5 Jan 2026 07:30 UTC')
    """
    if instant is None:
        return MISSING
    at = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    return day(at.date()) if at.strftime("%H%M%S") == "000000" else f"{day(at.date())} {at:%H:%M} UTC"


def capital(text: str) -> str:
    """The text with its first letter as a capital, and nothing else changed.

    >>> capital("down 3 points: SAP is silent")
    'Down 3 points: SAP is silent'
    """
    return text[:1].upper() + text[1:]


def uncapital(text: str) -> str:
    """The text as it goes on within a sentence; names in capitals stay.

    >>> uncapital("Base rate"), uncapital("The CRM’s stage"), uncapital("SAP")
    ('base rate', 'the CRM’s stage', 'SAP')
    """
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def day(on: date | datetime | str | None) -> str:
    """A day as people read it.

    >>> day("2026-01-05"), day(date(2026, 11, 22)), day(None)
    ('5 Jan 2026', '22 Nov 2026', '–')
    """
    if on is None:
        return MISSING
    shown = datetime.fromisoformat(on) if isinstance(on, str) else on
    return f"{shown.day} {shown:%b %Y}"


def span(days: float | None) -> str:
    """A length of time in the unit that reads best.

    >>> span(0.4), span(1.0), span(31.2), span(400.0)
    ('under a day', '1 day', '31 days', '13 months')
    """
    if days is None or not math.isfinite(days):
        return MISSING
    if 0 <= days < 1:
        return "under a day"
    if abs(days) < 120:
        return count(round(days), "day")
    return count(round(days / 30.44), "month")


def words(name: str | None) -> str:
    """A name of the schema as words.

    >>> words("technical_evaluator"), words("fomo"), words(None)
    ('Technical evaluator', 'Fear of missing out', '–')
    """
    if not name:
        return MISSING
    return _SAID.get(name) or printable(name).replace("_", " ").capitalize()


def web_link(address: str | None) -> str | None:
    """The address if a browser may be sent there: http or https with a host; else None.

    >>> web_link("https://crm.example/deal/1"), web_link("javascript:alert(1)"), web_link(None)
    ('https://crm.example/deal/1', None, None)
    """
    if not address:
        return None
    try:
        parts = urlsplit(address.strip())
    except ValueError:
        return None
    return address.strip() if parts.scheme in ("http", "https") and parts.netloc else None


def _sign(value: float) -> str:
    return "+" if value > 0 else _MINUS
