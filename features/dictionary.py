"""The feature dictionary as a page, generated from the catalogue."""

from features.catalogue import STREAMS, catalogue
from features.feature import FAMILIES, Feature, Learnt

__all__ = ["features_markdown"]

_HEAD = """# Features

Generated from the catalogue (`make docs`); do not edit. A feature at a snapshot uses only rows recorded
before its `as_of`. Counts are zero without evidence, flags false, everything else null. Days are 86,400
seconds. Your own `x_` fields become features of the family *Your own fields* without code.
"""


def features_markdown() -> str:
    """The page `docs/features.md`: one section per family, one entry per feature."""
    features = catalogue()
    parts = [_HEAD, f"{len(features)} built-in features in {len({f.family for f in features})} families.\n"]
    for family in FAMILIES.values():
        members = [feature for feature in features if feature.family == family.name]
        if not members:
            continue
        parts.append(f"## {family.title} (`{family.name}`)\n\n{family.belief}\n")
        parts.append(
            "| feature | unit | what it is | expected | evidence | a rep reads |\n|---|---|---|---|---|---|"
        )
        parts.extend(_row(feature) for feature in members)
        parts.append("")
        parts.extend(f"- {rationale}" for rationale in dict.fromkeys(f.rationale for f in members))
        parts.append("")
    return "\n".join(parts)


def _row(feature: Feature) -> str:
    sources = sorted({STREAMS[part.stream].source for part in feature.evidence_parts()})
    learnt = isinstance(feature.value, Learnt)
    evidence = "learnt on training deals" if learnt else ", ".join(f"`{source}`" for source in sources)
    cells = (
        f"`{feature.name}`", feature.unit or feature.kind, feature.description, feature.expected, evidence,
        feature.sentence.replace("{value}", "…"),
    )  # fmt: skip
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
