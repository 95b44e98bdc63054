"""The feature dictionary as a page, generated from the catalogue and from what was measured of it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from features.catalogue import STREAMS, catalogue
from features.feature import FAMILIES, RENEWAL_FAMILIES, Family, Feature, Learnt
from features.renewals.catalogue import renewal_catalogue
from features.renewals.streams import STREAMS as CONTRACT_STREAMS

__all__ = ["features_markdown"]

_MEASURED = Path(__file__).parents[1] / "docs" / "worth.json"

_HEAD = """# Features

Generated from the catalogue (`make docs`); do not edit. A feature at a snapshot uses only rows recorded
before its `as_of`. Counts are zero without evidence, flags false, everything else null. Days are 86,400
seconds. Your own `x_` fields become features of the family *Your own fields* without code.

*Expected* is what sellers expect; where the model is held to it, that is said. *Evidence* names the
tables whose rows stand behind a value (`dealcast evidence`). *Worth* is the feature's share of all
contributions, for each data set that fills it; `*` marks those where the log-loss without its
contribution is higher by more than noise, and the word behind it says how the learnt direction compares
with the expected one. How worth is measured, with intervals: `docs/worth.md`.
"""
_OF_CONTRACTS = """# Features of contracts

A renewal is judged at set days before the end of the term and at `as_of`. Use is told from use that is not
reported yet: a period counts when it is recorded, at the latest 31 days after it began; a missing one is no
use once a later one is reported, or after 62 days of silence while others report. Use of the contract before
(of the same account and currency, ending within 31 days of the start) counts for level and trend, not for
the burn. Amounts are in the contract's own currency and never summed over currencies.
"""
_COLUMNS = ("feature", "unit", "what it is", "belief", "expected", "evidence", "a rep reads", "worth")


def features_markdown(measured: Mapping[str, Any] | None = None) -> str:
    """The page `docs/features.md`: one section per family, one entry per feature.

    measured: what docs/worth.json holds, which is read if it is there and nothing is given.
    """
    if measured is None:
        measured = json.loads(_MEASURED.read_bytes()) if _MEASURED.exists() else {}
    documents = measured.get("data", {})
    features = catalogue()
    parts = [_HEAD, f"{len(features)} built-in features in {len({f.family for f in features})} families.\n"]
    for family in FAMILIES.values():
        members = [feature for feature in features if feature.family == family.name]
        if not members:
            continue
        parts.append(f"## {family.title} (`{family.name}`)\n\n{family.belief}\n")
        parts += [*_family_worth(family, documents), ""]
        parts += [_line(_COLUMNS), "|---" * len(_COLUMNS) + "|"]
        parts.extend(_row(feature, _worth(feature.name, documents)) for feature in members)
        parts.append("")
    return "\n".join([*parts, *_of_contracts()])


def _of_contracts() -> list[str]:
    """The features of contracts, in sections alike; their worth is the renewal model's to tell."""
    features = renewal_catalogue()
    families = [RENEWAL_FAMILIES[name] for name in dict.fromkeys(feature.family for feature in features)]
    parts = [_OF_CONTRACTS, f"{len(features)} built-in features in {len(families)} families.\n"]
    for family in families:
        members = [feature for feature in features if feature.family == family.name]
        parts.append(f"## {family.title} (`{family.name}`, of contracts)\n\n{family.belief}\n")
        parts += [_line(_COLUMNS[:-1]), "|---" * len(_COLUMNS[:-1]) + "|"]
        parts.extend(_row(feature, None) for feature in members)
        parts.append("")
    return parts


def _row(feature: Feature, worth: str | None) -> str:
    """A feature's line; of a contract's feature without its worth (None)."""
    streams = CONTRACT_STREAMS if worth is None else STREAMS
    sources = sorted({streams[part.stream].source for part in feature.evidence_parts()})
    learnt = isinstance(feature.value, Learnt)
    evidence = "learnt on training deals" if learnt else ", ".join(f"`{source}`" for source in sources)
    return _line((
        f"`{feature.name}`",
        feature.unit or feature.kind,
        feature.description,
        feature.rationale,
        f"{feature.expected}; the model is held to it" if feature.certain else feature.expected,
        evidence,
        feature.sentence.replace("{value}", "…"),
        *([] if worth is None else [worth]),
    ))  # fmt: skip


def _family_worth(family: Family, documents: Mapping[str, Any]) -> list[str]:
    """What the family adds to all others in each data set, a line each."""
    said = [
        f"- {name}: {entry['sentence']}{' (the whole model is noise there)' if document['notes'] else ''}."
        for name, document in documents.items()
        for entry in document["families"]
        if entry["name"] == family.name
    ]
    return ["What it adds to all others, out of time:", "", *said] if said else ["Its worth is not measured."]


def _worth(name: str, documents: Mapping[str, Any]) -> str:
    """The feature's share by data set; data on which the whole model is noise has no say."""
    measured = {at: document for at, document in documents.items() if not document["notes"]}
    rows = {at: _named(name, document["features"]) for at, document in measured.items()}
    if not any(rows.values()):
        return "not measured"
    said = []
    for at, row in rows.items():
        if row and row["filled"]:
            found = _named(name, measured[at]["directions"]["features"])
            verdict = f", {found['verdict']}" if found else ""
            above_noise = row["lower_bound"] is not None and row["lower_bound"] > 0
            said.append(f"{at} {100 * row['share']:.1f} %{'*' if above_noise else ''}{verdict}")
    return "; ".join(said) or "filled in no data that was measured"


def _named(name: str, rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    return next((row for row in rows if row["feature"] == name), None)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
