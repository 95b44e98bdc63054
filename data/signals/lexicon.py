"""The lexicon: what a text must say for each signal, read from a file that users can edit, and checked."""

import difflib
import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from data.errors import SourceError
from data.schema import PROMISE_EVENTS
from data.signals.tables import TEXT_KINDS

__all__ = ["Due", "Lexicon", "Promised", "Rule", "load_lexicon"]

_SHIPPED = Path(__file__).parent.with_name("signals.toml")
_TABLES = ("words", "moments", "promises", "negation", "hypothetical", "quotation", "sentences", "due")
_RULE_KEYS = {"patterns", "always", "unless", "questions"}
_GROUP = "(?P<feature>"
_NEGATIVE = (
    r"\b(?:no|not|never|without|nobody|none|nothing|cannot|no one|lack\w*|dropp\w*|drop|far from|zero)\b"
)
_NAME = re.compile(r"\{([a-z_]\w*)\}")


@dataclass(frozen=True)
class Rule:
    """What a sentence says, as regular expressions: `patterns` that a negation undoes, and `always` those it
    does not; `unless` undoes both. negative: those that have a negation within. hints: the same as all and
    cheaper, fitting wherever one of them does. questions: whether a yes-or-no question counts."""

    patterns: tuple[str, ...]
    always: tuple[str, ...]
    unless: tuple[str, ...]
    negative: tuple[str, ...]
    hints: tuple[str, ...]
    questions: bool


@dataclass(frozen=True)
class Promised:
    """How the name of what was promised is made plain, as regular expressions over its lower-case words."""

    leading: str
    articles: str
    trailing: str
    pronouns: str
    not_features: str


@dataclass(frozen=True)
class Due:
    """How dates are said. days: days ahead, by pattern. periods: first and last month-day, by pattern."""

    day_first: bool
    days: dict[str, int]
    periods: dict[str, tuple[str, str]]


@dataclass(frozen=True)
class Lexicon:
    """A checked lexicon. events: the rules of promises. digest: changes with every edit of the file."""

    place: str
    digest: str
    moments: dict[str, Rule]
    events: dict[str, Rule]
    promised: Promised
    due: Due
    negation_before: str
    negation_inside: str
    negation_after: str
    clause: str
    hypothetical: str
    questions: str
    quoted_lines: str
    quoted_rest: str
    abbreviations: str


def load_lexicon(path: Path | None) -> Lexicon:
    """The lexicon in that file; None: the one that ships with the project.

    Raises SourceError that names the file, the kind and the pattern, what is wrong and what to do.
    """
    file = path or _SHIPPED
    try:
        text = file.read_text(encoding="utf-8")
        given = tomllib.loads(text)
    except FileNotFoundError as error:
        raise SourceError(
            f"{file}: no such lexicon. Correct the setting 'signals', or leave it out for the shipped one."
        ) from error
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SourceError(f"{file}: expected TOML, found {error}. Correct that line.") from error
    return _Reader(file, given).lexicon(hashlib.sha256(text.encode()).hexdigest())


class _Reader:
    """One file being read: its place, for messages, and its words."""

    def __init__(self, file: Path, given: Mapping[str, Any]) -> None:
        self.file, self.given = file, given
        self.con = duckdb.connect()
        self._known("", given, _TABLES)
        self.words: dict[str, str] = {**self._table("words"), **self._table("promises").get("words", {})}

    def lexicon(self, digest: str) -> Lexicon:
        """The whole file, checked."""
        promises, negation = self._table("promises"), self._table("negation")
        hypothetical, quotation = self._table("hypothetical"), self._table("quotation")
        self._known("promises", promises, (*PROMISE_EVENTS, *Promised.__dataclass_fields__, "words"))
        moments = self._rules("moments", self._table("moments"), TEXT_KINDS)
        events = {name: rule for name, rule in promises.items() if name in PROMISE_EVENTS}
        cues = self._joined("negation.before", negation.get("before", []), "")
        after = self._joined("negation.after", negation.get("after", []), "")
        span = int(negation.get("words", 6))
        asked = self._joined("hypothetical.questions", hypothetical.get("questions", []), "")
        short = self._table("sentences").get("abbreviations", [])
        clause = [negation["clause"]] if "clause" in negation else []
        return Lexicon(
            place=str(self.file), digest=digest, moments=moments,
            events=self._rules("promises", events, PROMISE_EVENTS),
            promised=Promised(**{
                name: self._joined(f"promises.{name}", [promises[name]] if name in promises else [], "")
                for name in Promised.__dataclass_fields__
            }),
            due=self._due(),
            # between a cue and the match: words, and nothing that ends a clause
            negation_before=rf"(?i)\b(?:{cues})(?:[^\w,;:.!?()]+[\w'’/%&-]+){{0,{span}}}[^\w,;:.!?()]*$",
            negation_inside=rf"(?i)\b(?:{cues})(?:[^\w]|$)",
            negation_after=rf"(?i)^\w*\W{{0,2}}(?:{after})",
            clause=self._joined("negation.clause", clause, ""),
            hypothetical=self._joined("hypothetical.before", hypothetical.get("before", [])),
            questions=rf"(?is)^\W*{asked}",
            quoted_lines=self._joined("quotation.lines", quotation.get("lines", []), "(?im)^", plain=True),
            quoted_rest=self._joined("quotation.rest", quotation.get("rest", []), "(?i)", plain=True),
            abbreviations=self._joined("sentences.abbreviations", short),
        )  # fmt: skip

    def _table(self, name: str) -> dict[str, Any]:
        value = self.given.get(name, {})
        if not isinstance(value, dict):
            raise SourceError(f"{self.file}: [{name}] is to be a table, found {value!r}.")
        return value

    def _known(self, place: str, found: Mapping[str, Any], names: tuple[str, ...]) -> None:
        for name in found:
            if name not in names:
                near = difflib.get_close_matches(name, names, n=1)
                remedy = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(names)}."
                raise SourceError(f"{self.file}: {place or 'the lexicon'} has no part {name!r}. {remedy}")

    def _rules(self, place: str, given: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Rule]:
        self._known(place, given, names)
        found = {}
        for name, rule in given.items():
            where = f"[{place}.{name}]"
            if not isinstance(rule, dict):
                raise SourceError(f"{self.file}: {where} is to be a table with `patterns`, found {rule!r}.")
            self._known(where, rule, tuple(sorted(_RULE_KEYS)))
            lists = {
                key: self._list(f"{where} {key}", rule.get(key, []))
                for key in ("patterns", "always", "unless")
            }
            for key in ("patterns", "always"):
                if place == "promises":
                    self._check_groups(f"{where} {key}", lists[key])
                lists[key] = [rf"\b(?:{pattern})" for pattern in lists[key]]
            written = [*rule.get("patterns", []), *rule.get("always", [])]
            found[name] = Rule(
                patterns=tuple(lists["patterns"]),
                always=tuple(lists["always"]),
                unless=tuple(lists["unless"]),
                negative=tuple(one for one in lists["patterns"] if re.search(_NEGATIVE, one)),
                hints=tuple(self._hint(where, pattern) for pattern in written),
                questions=bool(rule.get("questions")),
            )
        return found

    def _hint(self, where: str, pattern: str) -> str:
        """The pattern less a feature's name in front, which would be tried at every word of every text."""
        expanded = self._expanded(where, pattern.removeprefix("{feature}")).replace(_GROUP, "(?:")
        return rf"\b(?:{_spaced(expanded)})"

    def _check_groups(self, where: str, patterns: list[str]) -> None:
        for pattern in patterns:
            outside = re.sub(r"\\.|\[(?:\\.|[^\]\\])*\]", "", pattern)
            groups = re.findall(r"\((?!\?)|\(\?P<(?!feature>)", outside)
            if pattern.count(_GROUP) != 1 or groups:
                raise SourceError(
                    f"{self.file}: {where}: {pattern[:80]!r} is to name what was promised once, by "
                    "{feature} or (?P<feature>...), and to have no other group. Write the others as (?:...)."
                )

    def _list(self, where: str, given: Any, *, plain: bool = False) -> list[str]:
        """The patterns as the engine reads them, each compiled once."""
        if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
            raise SourceError(f"{self.file}: {where}: expected a list of patterns, found {given!r}.")
        patterns = [self._expanded(where, one) for one in given]
        patterns = patterns if plain else [_spaced(one) for one in patterns]
        try:
            fine = not patterns or not self._fits_empty(f"(?i)(?:{'|'.join(patterns)})")
        except duckdb.Error:
            fine = False
        if not fine:
            self._check_each(where, given, patterns)
        return patterns

    def _fits_empty(self, pattern: str) -> bool:
        """Whether the pattern fits an empty text, and so every one. Raises duckdb.Error if it is none."""
        return bool(self.con.execute("SELECT regexp_matches('', ?)", [pattern]).fetchall()[0][0])

    def _check_each(self, where: str, given: list[str], patterns: list[str]) -> None:
        for written, pattern in zip(given, patterns, strict=True):
            try:
                empty = self._fits_empty(f"(?i)(?:{pattern})")
            except duckdb.Error as error:
                raise SourceError(
                    f"{self.file}: {where}: the pattern {written!r} is no regular expression (RE2): "
                    f"{str(error).splitlines()[0]}. Correct it; \\ stands before a character meant as such."
                ) from error
            if empty and "hypothetical" not in where:
                raise SourceError(
                    f"{self.file}: {where}: the pattern {written!r} fits every text, even an empty one. "
                    "Make some part of it compulsory."
                )

    def _joined(self, where: str, given: list[str], prefix: str = "(?i)", *, plain: bool = False) -> str:
        """One expression for any of the patterns; one that fits nothing where there are none."""
        patterns = self._list(where, given, plain=plain)
        return f"{prefix}(?:{'|'.join(patterns)})" if patterns else r"[^\s\S]"

    def _expanded(self, where: str, pattern: str, depth: int = 0) -> str:
        def word(found: re.Match[str]) -> str:
            name = found.group(1)
            if name not in self.words or depth > 5:
                near = difflib.get_close_matches(name, self.words, n=1)
                remedy = f"Did you mean {{{near[0]}}}?" if near else "Add it under [words]."
                raise SourceError(f"{self.file}: {where}: {{{name}}} is no entry of [words]. {remedy}")
            return self._expanded(where, self.words[name], depth + 1)

        return _NAME.sub(word, pattern)

    def _due(self) -> Due:
        due = self._table("due")
        self._known("due", due, ("day_first", "days", "periods"))
        days, periods = due.get("days", {}), due.get("periods", {})
        self._list("due.days", list(days))
        self._list("due.periods", list(periods))
        for pattern, n in days.items():
            if not isinstance(n, int) or n < 0:
                raise SourceError(
                    f"{self.file}: due.days: {pattern!r}: expected a number of days, found {n!r}."
                )
        for pattern, ends in periods.items():
            if not (
                isinstance(ends, list)
                and len(ends) == 2
                and all(re.fullmatch(r"[01]\d-[0-3]\d", str(e)) for e in ends)
            ):
                raise SourceError(
                    f"{self.file}: due.periods: {pattern!r}: expected two month-days like "
                    f"['06-01', '08-31'], found {ends!r}."
                )
        return Due(
            bool(due.get("day_first", True)),
            {_spaced(pattern): n for pattern, n in days.items()},
            {_spaced(pattern): (ends[0], ends[1]) for pattern, ends in periods.items()},
        )


def _spaced(pattern: str) -> str:
    r"""The pattern with any white space for a space, and either apostrophe for a straight one.

    >>> _spaced("don't [a b]")
    "don['’]t\\s+[a\\sb]"
    """
    out, i, in_class = [], 0, False
    while i < len(pattern):
        char = pattern[i]
        if char == "\\":
            out.append(pattern[i : i + 2])
            i += 2
            continue
        if char == "[" and not in_class:
            in_class = True
        elif char == "]" and in_class:
            in_class = False
        if char == " ":
            char = r"\s" if in_class else r"\s+"
        elif char == "'" and not in_class:
            char = "['’]"
        out.append(char)
        i += 1
    return "".join(out)
