"""How well the shipped lexicon reads: held-out phrasings in notes, and sentences labelled by hand.

`python -m tests.data.signal_judge` writes the figures to docs/signal_quality.json.
"""

import csv
import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from data.signals import load_lexicon, signals_of
from data.simulator.events import PROMISE_CODES
from data.simulator.held_out import HELD_OUT
from data.simulator.phrases import CLOSERS, COMPETITORS, FEATURE_CODES, NEUTRAL, OPENERS, PHRASES
from data.simulator.world import FEATURES

ROOT = Path(__file__).parents[2]
FIGURES = ROOT / "docs" / "signal_quality.json"
LEXICON = ROOT / "data" / "signals.toml"
DUE = (
    "within weeks", "next month", "in two months", "with the next release", "by the end of the quarter",
    "in about ten weeks",
)  # fmt: skip
NOTES_EACH = 3
DUE_TOLERANCE_DAYS = 7


@dataclass(frozen=True)
class Text:
    """A text, the kinds that a careful seller would record of it, and a promise's feature and due date."""

    id: str
    text: str
    kinds: frozenset[str]
    occurred_at: datetime
    feature: str = ""
    due: str = ""


def held_out_notes() -> list[Text]:
    """Each held-out phrasing in three notes as the simulator writes them, and notes of small talk alone."""
    rng = np.random.default_rng(7)
    at = datetime(2026, 2, 16, 10, tzinfo=UTC)
    notes = []
    for kind, line in ((kind, line) for kind, lines in HELD_OUT.items() for line in lines):
        for _ in range(NOTES_EACH):
            names = FEATURES if kind in FEATURE_CODES else COMPETITORS
            said = line.replace("{due}", DUE[rng.integers(len(DUE))]).replace(
                "{}", names[rng.integers(len(names))]
            )
            feature = next((name for name in FEATURES if name in said), "") if kind in PROMISE_CODES else ""
            notes.append((_note(rng, said[0].upper() + said[1:]), _kinds(kind), feature))
    notes += [(_note(rng, ""), frozenset[str](), "") for _ in range(NOTES_EACH * len(NEUTRAL))]
    return [Text(f"H{i:04d}", note, kinds, at, feature) for i, (note, kinds, feature) in enumerate(notes)]


def labelled_sentences() -> list[Text]:
    """The sentences of labelled_sentences.csv."""
    with (Path(__file__).parent / "labelled_sentences.csv").open(encoding="utf-8", newline="") as file:
        return [
            Text(
                row["id"], row["text"], frozenset(filter(None, row["kinds"].split(";"))),
                datetime.fromisoformat(row["occurred_at"]), row["feature"], row["due"],
            )
            for row in csv.DictReader(file)
        ]  # fmt: skip


def found_in(texts: Sequence[Text]) -> list[dict[str, Any]]:
    """What the shipped lexicon reads in the texts: rows of id, signal, evidence, feature, due_at."""
    table = pa.table({
        "id": [one.id for one in texts],
        "text": [one.text for one in texts],
        "occurred_at": pa.array([one.occurred_at for one in texts], pa.timestamp("us", "UTC")),
    })  # fmt: skip
    return list(signals_of(table, load_lexicon(None)).to_pylist())


def figures() -> dict[str, Any]:
    """Precision and recall by kind of both sets, and how often a promise's feature and date are right."""
    notes, sentences = held_out_notes(), labelled_sentences()
    in_notes, in_sentences = found_in(notes), found_in(sentences)
    return {
        "held_out": _by_kind(notes, in_notes),
        "labelled": _by_kind(sentences, in_sentences),
        "promises": {
            "held_out_features": _features_right(notes, in_notes),
            "labelled_features": _features_right(sentences, in_sentences),
            "labelled_due_dates": _due_right(sentences, in_sentences),
        },
    }


def lexicon_patterns() -> list[str]:
    """Every text of the shipped lexicon file that is not a comment or a name."""
    return list(_strings(tomllib.loads(LEXICON.read_text(encoding="utf-8"))))


def five_words(text: str) -> set[tuple[str, ...]]:
    """Every run of five words; a regular expression's signs and classes count as gaps between words."""
    words = re.findall(r"[a-z']+", re.sub(r"\\[a-z]", " ", text.lower()))
    return {tuple(words[i : i + 5]) for i in range(len(words) - 4)}


def _kinds(code: str) -> frozenset[str]:
    return frozenset() if code in ("new_faces", "junior_only") else frozenset({code})


def _note(rng: np.random.Generator, fact: str) -> str:
    """As `data.simulator.notes` glues a note: small talk always where there is no fact, else at times."""
    opener, closer = OPENERS[rng.integers(len(OPENERS))], CLOSERS[rng.integers(len(CLOSERS))]
    talk = NEUTRAL[rng.integers(len(NEUTRAL))] if not fact or rng.random() < 0.3 else ""
    return opener + " ".join(filter(None, (fact, talk))) + closer


def _by_kind(texts: Sequence[Text], found: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    told = {(one.id, kind) for one in texts for kind in one.kinds}
    read = {(str(row["id"]), str(row["signal"])) for row in found}
    kinds = sorted({kind for _, kind in told | read})
    rows = {kind: _scores(_of(told, kind), _of(read, kind)) for kind in kinds}
    return {**rows, "all": _scores(told, read)}


def _of(pairs: set[tuple[str, str]], kind: str) -> set[tuple[str, str]]:
    return {pair for pair in pairs if pair[1] == kind}


def _scores(told: set[tuple[str, str]], read: set[tuple[str, str]]) -> dict[str, Any]:
    right = len(told & read)
    return {
        "told": len(told), "found": len(read), "right": right,
        "precision": round(right / len(read), 3) if read else None,
        "recall": round(right / len(told), 3) if told else None,
    }  # fmt: skip


def _promises(
    texts: Sequence[Text], found: Iterable[dict[str, Any]]
) -> Iterator[tuple[Text, dict[str, Any]]]:
    """Texts with a feature, each with what was found of their event."""
    told = {one.id: one for one in texts if one.feature}
    for row in found:
        one = told.get(str(row["id"]))
        if one is not None and row["signal"] in one.kinds and row["signal"] in PROMISE_CODES:
            yield one, row


def _features_right(texts: Sequence[Text], found: Iterable[dict[str, Any]]) -> dict[str, int]:
    """Of the promise events found: how many name the feature (a few words more or less are forgiven)."""
    pairs = [(_plain(one.feature), _plain(row["feature"])) for one, row in _promises(texts, found)]
    right = sum(bool(named) and (named in told or told in named) for told, named in pairs)
    return {"found": len(pairs), "right": right}


def _plain(feature: str | None) -> str:
    """A feature's name without the differences that nobody means."""
    return " ".join((feature or "").lower().replace("-", " ").split())


def _due_right(texts: Sequence[Text], found: Iterable[dict[str, Any]]) -> dict[str, int]:
    """Of the dated events found: how many have no date where none is said, and else one within a week."""
    right, pairs = 0, list(_promises(texts, found))
    dated = [(one, row["due_at"]) for one, row in pairs if row["signal"] in ("promised", "rescheduled")]
    for one, due_at in dated:
        if not one.due or due_at is None:
            right += not one.due and due_at is None
        else:
            apart = abs(due_at.date() - date.fromisoformat(one.due))
            right += apart <= timedelta(days=DUE_TOLERANCE_DAYS)
    return {"found": len(dated), "right": right}


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)


def judged_phrases() -> list[str]:
    """Every sentence that the lexicon is developed against or judged by, its gaps left open."""
    lines = [line for table in (PHRASES, HELD_OUT) for group in table.values() for line in group]
    return [*(line.replace("{due}", "{}") for line in lines), *(one.text for one in labelled_sentences())]


if __name__ == "__main__":
    FIGURES.write_bytes(orjson.dumps(figures(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
