"""What a feature is: a value, and everything a seller or a reviewer needs to know about it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:  # readers of published scores import this module, and need no Ibis
    import ibis.expr.types as ir

__all__ = [
    "FAMILIES",
    "RENEWAL_FAMILIES",
    "AgainstNorm",
    "Expected",
    "Family",
    "Feature",
    "Formula",
    "Kind",
    "Learnt",
    "Measure",
    "RolesMissing",
    "Where",
]

Kind = Literal["count", "number", "flag", "category"]
Expected = Literal["higher is better", "lower is better", "depends"]
Where = tuple[tuple[str, str | bool | int | tuple[str, ...]], ...]
"""Equality tests on a stream's columns, all of which must hold; a tuple means any of its values."""


@dataclass(frozen=True)
class Family:
    """A group of features that test one belief; `title` is its name in sellers' words."""

    name: str
    title: str
    belief: str


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family("stakeholders", "Who is in the room", "The whole buying group decides, and one can veto."),
        Family("touchpoints", "Contact with each role", "Roles nobody speaks to stall a deal."),
        Family("momentum", "Momentum", "A purchase is a series of moments; silence precedes a loss."),
        Family("journey", "Steps of the purchase", "A purchase is a series of micro-moments."),
        Family("motive", "Why they buy", "Fear of missing out buys once; mission-critical work renews."),
        Family(
            "qualification", "Mutual qualification", "Both sides must answer means, process, why and when."
        ),
        Family("promises", "Promised features", "Selling what is not shipped starts a spiral."),
        Family("commercial", "Deal, customer and seller", "What is bought, by whom, sold by whom."),
        Family("custom", "Your own fields", "The organisation's own knowledge, audited for leakage."),
    )
}

RENEWAL_FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family(
            "use", "What they use", "Under post-pay consumption the vendor is paid as the customer succeeds."
        ),
        Family("contract", "The contract and the customer", "Terms, size and history frame every renewal."),
        Family("people", "Who is in touch", "A renewal is lost when its champion leaves or goes quiet."),
        Family(
            "origin", "How the deal was won", "Fear of missing out buys once; mission-critical work renews."
        ),
        FAMILIES["promises"],
        FAMILIES["custom"],
    )
}
"""The families of the features of contracts."""


@dataclass(frozen=True)
class Measure:
    """One aggregate over the rows of a stream that are known at a snapshot.

    how: "count" and "sum" run over all rows seen so far (less those whose `until_s` has passed, where
    the stream has one); "distinct" counts the stream's members; "max" takes the largest value so far;
    "current" takes `column` from the row that comes last in the stream's own order. column: an integer
    for "sum", an integer or a time (epoch seconds) for "max", anything for "current". days: only rows
    that happened within so many days before as_of ("count", "sum" and "distinct").
    """

    stream: str
    how: Literal["count", "sum", "distinct", "max", "current"]
    column: str = ""
    where: Where = ()
    days: int | None = None


@dataclass(frozen=True)
class Formula:
    """A function of measures; `compute` gets `as_of_s` (the snapshot's epoch second), then each part."""

    compute: "Callable[..., ir.Value]" = field(hash=False, compare=False)
    parts: tuple[Measure, ...]


@dataclass(frozen=True)
class AgainstNorm:
    """The ratio of a number to its median among won training deals alike.

    number: the column that is compared. category, age: the columns that say which deals are alike, the
    same value of the one and the same span of the other (days); "" where it does not matter. Learnt:
    fitted on training rows, it travels with the model.
    """

    number: str
    category: str = ""
    age: str = ""

    @property
    def compared(self) -> tuple[str, ...]:
        """The columns whose value is judged; their rows are the evidence."""
        return (self.number,)

    @property
    def reads(self) -> tuple[str, ...]:
        """Every column that the value is computed from."""
        return tuple(name for name in (self.number, self.category, self.age) if name)


@dataclass(frozen=True)
class RolesMissing:
    """How many of the roles that won training deals alike had engaged by then are not engaged here.

    The sum, over the roles without a touchpoint, of the share of won deals alike that had engaged each.
    touches: each role with its column of touchpoints. category, age: as for `AgainstNorm`. segments: columns
    that tell similar accounts, of which the first that is recorded well enough is used. Learnt:
    fitted on training rows, it travels with the model.
    """

    touches: tuple[tuple[str, str], ...]
    category: str
    age: str
    segments: tuple[str, ...]

    @property
    def compared(self) -> tuple[str, ...]:
        """The columns whose value is judged; their rows are the evidence."""
        return tuple(column for _, column in self.touches)

    @property
    def reads(self) -> tuple[str, ...]:
        """Every column that the value is computed from."""
        return (*self.compared, self.category, self.age, *self.segments)


Learnt = AgainstNorm | RolesMissing
"""Values that are learnt from training rows by the model's encoder, not computed from the tables."""


@dataclass(frozen=True)
class Feature:
    """A column of the feature table and its catalogue entry.

    kind: count (integer, zero without evidence), number (null without evidence), flag (true/false),
    category (text). sentence: what a rep reads, with `{value}` in it; absent: what a rep reads when
    the value is null, false for a flag or zero for a count. Missing is null, never a magic number.
    certain: the expected direction is beyond doubt, and the model is held to it (all else equal, a better
    value never lowers a deal's log-odds); of a count, number or flag whose direction does not depend.
    """

    name: str
    family: str
    kind: Kind
    unit: str
    description: str
    rationale: str
    expected: Expected
    sentence: str
    absent: str
    value: Measure | Formula | Learnt
    certain: bool = False

    def evidence_parts(self) -> tuple[Measure, ...]:
        """The measures whose rows stand behind the value."""
        if isinstance(self.value, Measure):
            return (self.value,)
        if isinstance(self.value, Formula):
            return self.value.parts
        return ()

    def tell(self, value: Any, typical: Any = None, *, compared_with: str = "won deals at this stage") -> str:
        """The sentence for a deal's value, with what won deals at the same stage look like.

        value, typical: numbers, booleans or text; None where missing. compared_with: whom `typical` is of.
        """
        if value is None or (self.kind in ("flag", "count") and not value):
            said = self.absent
        else:
            said = self.sentence.format(value=self._shown(value))
            said = _of_one(said) if said.startswith("1 ") else said
            said = _once(said) if self.kind == "count" else _of_one_unit(said)
        if typical is None or self.kind == "flag":
            return f"{said}."
        return f"{said} ({compared_with}: {self.shown(typical)})."

    def shown(self, value: Any) -> str:
        """A value that is not missing with its unit, as people write it beside a sentence."""
        unit = f" {self.unit}" if self.unit not in _UNSPOKEN else ""
        unit = re.sub(r"^ \w+ (of \d+)$", r" \1", unit)
        shown = f"{self._shown(value)}{unit}"
        return _of_one(shown) if shown.startswith("1 ") else shown

    def _shown(self, value: Any) -> str:
        """A value as people write it: shares in percent, thousands separated, no needless decimals."""
        if isinstance(value, bool):
            return "yes" if value else "no"
        if not isinstance(value, int | float):
            return str(value)
        if self.unit in ("share", "probability"):
            return f"{100 * value:.0f} %"
        return f"{value:,.0f}" if abs(value) >= 10 or float(value).is_integer() else f"{value:,.2g}"


_UNSPOKEN = ("", "count", "category", "share", "probability", "position", "level (5 = C-level)")
"""Units that the sentence already says, or that the value carries."""


def _once(said: str) -> str:
    """How often, as people say it.

    >>> _once("Metrics were asked for 1 times"), _once("The amount changed 12 times")
    ('Metrics were asked for once', 'The amount changed 12 times')
    """
    return re.sub(r"(?<![\d.,])1 times\b", "once", re.sub(r"(?<![\d.,])2 times\b", "twice", said))


def _of_one_unit(said: str) -> str:
    """One day, hour or level in the middle of a sentence.

    >>> _of_one_unit("The sides' answers lie 1 levels apart"), _of_one_unit("Silent for 0.1 days")
    ("The sides' answers lie 1 level apart", 'Silent for 0.1 days')
    """
    return re.sub(r"(?<![\d.,])1 (day|hour|level)s\b", r"1 \1", said)


def _of_one(said: str) -> str:
    """A phrase that counts one thing, in the singular.

    >>> _of_one("1 people of the buying group are known"), _of_one("1 more features were promised")
    ('1 person of the buying group is known', '1 more feature was promised')
    """
    said = re.sub(r"^1 ((?:more |invited )?)people\b", r"1 \1person", said)
    said = re.sub(r"^1 (\w+?)ies\b", r"1 \1y", said)
    said = re.sub(r"^1 ((?:more |promised |invited |buying |open )?)(\w{2,}?)s\b", r"1 \1\2", said)
    for plural, singular in (
        ("are", "is"),
        ("have", "has"),
        ("were", "was"),
        ("lie", "lies"),
        ("do", "does"),
    ):
        said = re.sub(rf"^(1 [\w ]*?)\b{plural}\b", rf"\1{singular}", said)
    return said
