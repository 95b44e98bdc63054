"""How worth and directions look on a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from models.worth_page import shown
from serving.text import printable

__all__ = ["worth_view"]

_SHOWN = 12
_OUTCOMES = {"agrees": "go the expected way", "contradicts": "go this way too", "unclear": "are unclear"}


def worth_view(worth: Mapping[str, Any], directions: Mapping[str, Any]) -> RenderableType:
    """Beliefs, families, what each is worth in words, columns that may go, and directions that contradict."""
    loss = worth["log_loss"]
    parts: list[RenderableType] = [
        Text(
            f"Out-of-time log-loss: {loss['full']:.4f}; baseline columns {loss['baseline']:.4f}; base rate "
            f"{loss['base_rate']:.4f} ({worth['rows']['test_deals']:,} test deals)"
        )
    ]
    parts += [Text(note, "yellow") for note in worth["notes"]]
    parts += [Text(), _worth("Beliefs", worth["beliefs"]), Text(), _worth("Families", worth["families"])]
    parts += [Text(), Text("In words", "bold")]
    parts += [Text(f"• {one['title']}: {one['sentence']}.") for one in worth["families"]]
    parts += [Text(), *_candidates(worth), Text(), *_directions(directions)]
    return Group(*parts)


def _worth(title: str, entries: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title=title, box=None, title_justify="left", pad_edge=False, header_style="bold")
    table.add_column("")
    for name in ("columns", "added to all others", "added to the baseline", "share"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in entries:
        filled = f"{one['filled_columns']} of {one['columns']}"
        share = f"{100 * one['share']:.0f} %"
        table.add_row(Text(one["title"]), filled, shown(one["left_out"]), shown(one["alone"]), share)
    return table


def _candidates(worth: Mapping[str, Any]) -> list[Text]:
    names = worth["candidates"]
    filled = sum(row["filled"] for row in worth["features"])
    said = (
        f"{len(names)} of {filled} filled columns add no gain that can be told from noise, and hold under "
        f"{100 * worth['small_share']:g} % of the contributions each"
    )
    listed = [Text(printable(", ".join(names), longest=4000))] if names else []
    return [Text(f"{said}{':' if names else '.'}"), *listed]


def _directions(document: Mapping[str, Any]) -> list[RenderableType]:
    counts = document["counts"]
    against = [one for one in document["features"] if one["verdict"] == "contradicts"]
    said = Text(
        f"Directions: {counts['agrees']} agree with what sellers expect, {counts['contradicts']} contradict "
        f"it, {counts['mixed']} are mixed, {counts['flat']} flat, {counts['absent']} absent."
    )
    if not against:
        return [said]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("contradicts", "expected", "rank correlation", "the outcomes themselves"):
        table.add_column(name)
    for one in against[:_SHOWN]:
        gain = {"difference": one["correlation"], "interval": one["interval"]}
        table.add_row(Text(one["feature"]), one["expected"], shown(gain), _OUTCOMES[one["in_outcomes"]])
    left = len(against) - _SHOWN
    return [said, table, *([Text(f"and {left} more, in directions.json")] if left > 0 else [])]
