"""A change of forecast, told: one headline a part, then a sentence a term, the largest first."""

from collections.abc import Mapping

import pyarrow as pa

from models.forecast.change import PartChange, Term
from models.forecast.shocks import BOOKINGS, CONSUMPTION, RENEWALS

__all__ = ["TITLES", "change_sentences", "change_table", "money"]

TITLES: Mapping[str, str] = {
    "new_deals": "new deals",
    "won": "won, and so forecast no more",
    "lost": "lost",
    "left": "no longer open",
    "amount": "amounts changed",
    "ratio": "what contracts are expected to renew for",
    "currency": "exchange rates",
    "timing": "timing moved",
    "probability": "win probability changed",
    "model": "model changed",
    "not_yet_created": "deals not yet created",
    "window": "months that only one of the forecasts has",
    "decided": "renewals decided",
    "new_contracts": "contracts newly due",
    "renewal_probability": "renewal probability changed",
    "usage": "usage changed",
    "terms": "contract terms changed",
    "started": "use that is new",
    "ended": "use that has ended",
}
"""Each term of a change, in words."""

_PARTS = {BOOKINGS: "Expected bookings", RENEWALS: "Expected renewals", CONSUMPTION: "Expected consumption"}
_ROWS = {BOOKINGS: "deal", RENEWALS: "contract", CONSUMPTION: "series"}
_WITHOUT_ROWS = ("not_yet_created", "window")


def money(amount: float, currency: str) -> str:
    """An amount as it is said: in millions or thousands, two figures behind the point at most.

    >>> money(-1_234_567.0, "EUR"), money(820.4, "EUR")
    ('-1.23 m EUR', '820 EUR')
    """
    size = abs(amount)
    for floor, unit in ((1e6, " m"), (1e4, " k")):
        if size >= floor * 0.9995:
            shown = f"{amount / (1e6 if unit == ' m' else 1e3):.2f}".rstrip("0").rstrip(".")
            return f"{shown}{unit} {currency}".strip()
    return f"{amount:,.0f} {currency}".strip()


def change_sentences(change: PartChange, currency: str, names: Mapping[str, str] | None = None) -> list[str]:
    """The headline, then a sentence per term that moves the part, the largest first; texts as they are.

    names: what deals, contracts and series are called, by id; CRM text, to be made safe where it is shown.
    """
    direction = "unchanged at" if change.change == 0 else f"{_up(change.change, currency)} to"
    window = f" ({change.first} to {change.last} are in both forecasts)" if change.first else ""
    head = f"{_PARTS[change.part]} are {direction} {money(change.after, currency)}{window}."
    if change.part == CONSUMPTION:
        head = head.replace(" are ", " is ", 1)
    terms = sorted(change.terms, key=lambda term: (-abs(term.amount), term.name))
    return [head, *(_sentence(change, term, currency, names or {}) for term in terms if term.amount)]


def change_table(
    changes: tuple[PartChange, ...], currency: str, names: Mapping[str, str] | None = None
) -> pa.Table:
    """The terms as rows: part, term, title, amount, items, largest_id, largest_amount, sentence, currency.

    Beside the terms each part has the rows `before` and `after`; before + terms = after.
    """
    rows: list[tuple[object, ...]] = []
    for change in changes:
        head = change_sentences(change, currency, names)[0]
        rows.append((change.part, "before", "the run before", change.before, None, None, None, "", currency))
        for term in change.terms:
            largest = term.largest[0] if term.largest else (None, None)
            told = _sentence(change, term, currency, names or {})
            rows.append(
                (change.part, term.name, TITLES[term.name], term.amount, term.count, *largest, told, currency)
            )
        rows.append((change.part, "after", "this run", change.after, None, None, None, head, currency))
    text, number = pa.string(), pa.float64()
    schema = {
        "part": text, "term": text, "title": text, "amount": number, "items": pa.int64(),
        "largest_id": text, "largest_amount": number, "sentence": text, "currency": text,
    }  # fmt: skip
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table(
        [pa.array(column, kind) for column, kind in zip(columns, schema.values(), strict=True)],
        names=list(schema),
    )


def _sentence(change: PartChange, term: Term, currency: str, names: Mapping[str, str]) -> str:
    moved = _up(term.amount, currency)
    said = f"{moved[:1].upper()}{moved[1:]}: {TITLES[term.name]}"
    if term.name in _WITHOUT_ROWS:
        return f"{said}."
    row = _ROWS[change.part]
    several = row if term.count == 1 or row == "series" else f"{row}s"
    facts = [f"{term.count:,} {several}"]
    if term.booked is not None:
        facts.append(f"booked for {money(term.booked, currency)}")
    if term.count > 1 and term.largest:
        one, amount = term.largest[0]
        facts.append(f"the largest {names.get(one, one)}, {money(amount, currency)}")
    elif term.largest:
        facts.append(names.get(term.largest[0][0], term.largest[0][0]))
    return f"{said} ({', '.join(facts)})."


def _up(amount: float, currency: str) -> str:
    return f"{'up' if amount > 0 else 'down'} {money(abs(amount), currency)}"
