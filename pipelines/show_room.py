"""How a deal's room looks on a terminal: who is missing, what was promised, where the spiral stands."""

from collections.abc import Iterator
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipelines.show import when
from serving.room import DealRoom, Row
from serving.text import printable

__all__ = ["room_view"]

_MISSING_SHOWN = 4
_NEXT_SHOWN = 4
_MOMENTS_SHOWN = 5
_EXPECTED_AT_LEAST = 0.25
_FEW_RECORDED = 0.5


def room_view(room: DealRoom) -> RenderableType:
    """The sections that have something to say; nothing where none has."""
    parts: list[RenderableType] = []
    for title, lines in (
        ("Who is missing, compared with won deals alike", list(_missing(room))),
        ("Who is likely at the next meeting", list(_next(room))),
        ("Promised features", list(_promises(room))),
        ("The spiral of promises", list(_spiral(room))),
        ("Qualification, our side / the buyer (0 unknown to 4 proven)", list(_answers(room))),
        ("Latest moments", list(_moments(room))),
    ):
        if lines:
            table = Table(box=None, show_header=False, pad_edge=False)
            for line in lines:
                table.add_row(*(Text(cell) for cell in line))
            parts += [Text(f"\n{title}", "bold"), table]
    return Group(*parts)


def _missing(room: DealRoom) -> Iterator[tuple[str, ...]]:
    missing = [row for row in room.missing_roles if row["expected_share"] >= _EXPECTED_AT_LEAST]
    for row in missing[:_MISSING_SHOWN]:
        day = row["typical_day"]
        usual = f", usually by day {day:.0f}" if day is not None else ""
        yield (
            _words(row["role"]),
            f"met by {row['expected_share']:.0%} of {row['n_alike']} {printable(row['alike'])}{usual}",
        )
    recorded = next((row["owner_completeness"] for row in room.roles), None)
    if missing and recorded is not None and recorded < _FEW_RECORDED:
        yield (
            "but",
            f"this seller has a role on record for {recorded:.0%} of the people met: a gap may be a role "
            "that nobody noted",
        )


def _next(room: DealRoom) -> Iterator[tuple[str, ...]]:
    likely = [row for row in room.roles if row["p_next_meeting"] is not None]
    likely.sort(key=lambda row: (-row["p_next_meeting"], row["role"]))
    for row in likely[:_NEXT_SHOWN]:
        yield _words(row["role"]), f"{row['p_next_meeting']:.0%}"


def _promises(room: DealRoom) -> Iterator[tuple[str, ...]]:
    for row in room.promises:
        if row["state"] == "superseded":
            continue
        facts = [row["state"], f"promised {_day(row['promised_at'])}" if row["promised_at"] else ""]
        if row["state"] == "open" and row["due_at"]:
            facts.append(f"due {_day(row['due_at'])}")
        if row["state"] == "delivered":
            facts.append(f"delivered {_day(row['delivered_at'])}")
        if row["days_overdue"]:
            facts.append(f"{row['days_overdue']:.0f} days late")
        if row["times_rescheduled"]:
            facts.append(f"rescheduled {row['times_rescheduled']} times")
        facts.append("read from notes" if row["derived"] else "")
        yield printable(row["feature"]) or "(no name)", ", ".join(fact for fact in facts if fact)


def _spiral(room: DealRoom) -> Iterator[tuple[str, ...]]:
    for row in room.spiral:
        is_phase = row["kind"] == "phase"
        mark = f"{row['phase']} of 7" if is_phase else "way out"
        said = printable(row["what"], longest=90)
        yield mark, _words(row["name"]), _day(row["reached_at"]), f"{said} [{printable(row['row_id'])}]"


def _answers(room: DealRoom) -> Iterator[tuple[str, ...]]:
    by_question: dict[str, dict[str, Row]] = {}
    for row in room.qualification:
        by_question.setdefault(row["question"], {})[row["side"]] = row
    for question, sides in by_question.items():
        shown = " / ".join(_level(sides[side]) for side in ("vendor", "customer"))
        agrees = sides["vendor"]["agrees"]
        verdict = "" if agrees is None else "agreed" if agrees else "they disagree"
        yield _words(question), shown, verdict


def _level(row: Row) -> str:
    if row["answer"] is None:
        return "unanswered"
    return f"{row['answer']} ({row['staleness_days']:.0f} days old)"


def _moments(room: DealRoom) -> Iterator[tuple[str, ...]]:
    for row in reversed(room.moments[-_MOMENTS_SHOWN:]):
        said = printable(row["evidence"], longest=90)
        yield (
            _day(row["happened_at"]),
            _words(row["kind"]),
            said + (" (from notes)" if row["derived"] else ""),
        )


def _words(name: str | None) -> str:
    return (name or "").replace("_", " ")


def _day(instant: datetime | None) -> str:
    return f"{instant:%Y-%m-%d}" if instant else when(None)
