"""The worth of families, beliefs and features in Markdown, as it stands in MLflow and in the docs."""

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["directions_lines", "shown", "worth_lines"]

_HEADS = ("", "columns", "added to all others", "added to the baseline", "share of contributions", "in words")


def worth_lines(document: Mapping[str, Any]) -> list[str]:
    """Two tables (beliefs, families) and what is to be said about them; log-loss in nats, 95 % intervals."""
    loss, rows = document["log_loss"], document["rows"]
    lines = [
        f"{rows['test_deals']:,} test deals ({rows['test']:,} snapshots), {rows['train']:,} training "
        f"snapshots; out-of-time log-loss {loss['full']:.4f}, of the baseline columns {loss['baseline']:.4f}"
        f", of the base rate {loss['base_rate']:.4f}. Saved on the base rate: "
        f"{shown(document['versus_base_rate'])}.",
        "",
    ]
    lines += [f"**{note}**\n" for note in document["notes"]]
    lines += [*_table("belief", document["beliefs"]), "", *_table("family", document["families"]), ""]
    return lines


def directions_lines(document: Mapping[str, Any]) -> list[str]:
    """Counts by verdict, and each contradiction with what the outcomes themselves say."""
    counts = document["counts"]
    against = [one for one in document["features"] if one["verdict"] == "contradicts"]
    lines = [
        f"Directions: {counts['agrees']} agree, {counts['contradicts']} contradict, {counts['mixed']} mixed, "
        f"{counts['flat']} flat, {counts['absent']} absent.",
        "",
    ]
    if not against:
        return lines
    said = {
        key: ", ".join(f"`{one['feature']}`" for one in against if one["in_outcomes"] == key)
        for key in ("contradicts", "unclear", "agrees")
    }
    words = {
        "contradicts": "The outcomes contradict the expectation too",
        "unclear": "The outcomes alone show no clear direction",
        "agrees": "The outcomes go the expected way; the model takes back what a like feature was given",
    }
    return [*lines, *(f"- {words[key]}: {names}." for key, names in said.items() if names), ""]


def shown(gain: Mapping[str, Any] | None) -> str:
    """A difference with its interval; a dash for none.

    >>> shown({"difference": 0.02, "interval": [0.01, 0.03]}), shown(None)
    ('0.020 (0.010 to 0.030)', '–')
    """
    if gain is None:
        return "–"
    if gain["interval"] is None:
        return f"{gain['difference']:.3f}"
    return f"{gain['difference']:.3f} ({gain['interval'][0]:.3f} to {gain['interval'][1]:.3f})"


def _table(what: str, entries: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [
        (
            one["title"] if not one.get("number") else f"{one['number']}. {one['title']}",
            f"{one['filled_columns']} of {one['columns']}",
            shown(one["left_out"]),
            shown(one["alone"]),
            f"{100 * one['share']:.0f} %",
            one["sentence"],
        )
        for one in entries
    ]
    heads = (what, *_HEADS[1:])
    return [
        "| " + " | ".join(heads) + " |",
        "|---" * len(heads) + "|",
        *("| " + " | ".join(r) + " |" for r in rows),
    ]
