"""What activity texts tell is in the warehouse after a load, as it was known at any time."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from data.errors import SourceError
from data.extract import ExtractReport, extract
from data.warehouse import memory_tables, open_warehouse
from tests.data.sources import SMALL, rows, write

HEAD = "activity_id,opportunity_id,kind,occurred_at,known_at,subject,body\n"
NOTES = HEAD + (
    "C1,D1,call,2024-02-10,2024-02-12,Call,They asked for another discount. All quiet otherwise.\n"
    "C2,D2,email,2024-02-11,2024-02-11,Re: pilot,We promised them the audit trail by end of March.\n"
    "C3,D1,call,2024-02-20,2024-02-20,,They never asked for a discount.\n"
)
MARCH = datetime(2024, 3, 1, tzinfo=UTC)


def _day(month: int, day: int) -> datetime:
    return datetime(2024, month, day, tzinfo=UTC)


def _load(folder: Path, tables: dict[str, str], signals: str = "shipped") -> ExtractReport:
    folder.mkdir(exist_ok=True)
    no_one = {"activity_participants": "activity_id,contact_id,user_id\n"}
    source = write(folder / "in", SMALL | no_one | tables)
    return extract(
        source=source, mapping="canonical", workspace=folder / "w", max_reject_share=1, signals=signals
    )


def _told(workspace: Path, as_of: datetime | None = None) -> list[tuple[Any, ...]]:
    """activity, kind or event, evidence, known at, of the rows visible at as_of."""
    with open_warehouse(workspace) as warehouse:
        tables = warehouse.tables(as_of)
        found = []
        for name, what in (("text_moments", "kind"), ("text_promises", "event")):
            for row in tables[name].to_pyarrow().to_pylist():
                if as_of is None or row["known_at"] < as_of:
                    found.append((row["activity_id"], row[what], row["evidence"], row["known_at"]))
    return sorted(found)


def test_a_load_reads_moments_and_promises_from_notes_with_the_activitys_times(tmp_path: Path) -> None:
    report = _load(tmp_path, {"activities": NOTES})
    assert rows(tmp_path / "w", "FROM text_moments WHERE activity_id = 'C1'") == [
        ("C1", "D1", "negotiation", "They asked for another discount.", _day(2, 10), _day(2, 12), None)
    ]
    assert rows(tmp_path / "w", "FROM text_promises") == [
        ("C2", "D2", "audit trail", "promised", _day(3, 31),
         "We promised them the audit trail by end of March.", _day(2, 11), _day(2, 11), None)
    ]  # fmt: skip
    assert rows(tmp_path / "w", "FROM text_moments WHERE activity_id = 'C3'") == []
    assert report.signals == {"negotiation": 1, "promised": 1, "proof_of_concept": 1}
    assert "from text: 2 moments, 1 promises" in report.warnings


def test_a_structured_row_takes_the_place_of_a_derived_one_once_it_is_recorded(tmp_path: Path) -> None:
    moments = (
        "moment_id,opportunity_id,kind,occurred_at,known_at\n"
        "M1,D1,negotiation,2024-02-24,2024-03-09\n"  # 14 days after the call
        "M2,D1,negotiation,2024-02-25,2024-02-26\n"  # 15 days: another moment
        "M3,D1,objection,2024-02-10,2024-02-10\n"  # of another kind
        "M4,D2,negotiation,2024-02-10,2024-02-10\n"  # of another deal
    )
    _load(tmp_path, {"activities": NOTES, "moments": moments})
    found = rows(tmp_path / "w", "SELECT superseded_at FROM text_moments WHERE kind = 'negotiation'")
    assert found == [(_day(3, 9),)]


def test_the_earlier_version_of_a_structured_row_counts_from_when_it_was_recorded(tmp_path: Path) -> None:
    moments = "moment_id,opportunity_id,kind,occurred_at,known_at\nM1,D1,negotiation,2024-02-10,2024-02-15\n"
    _load(tmp_path, {"activities": NOTES, "moments": f"{moments}M1,D1,objection,2024-02-10,2024-04-01\n"})
    found = rows(tmp_path / "w", "SELECT superseded_at FROM text_moments WHERE kind = 'negotiation'")
    assert found == [(_day(2, 15),)]


VERSIONS = HEAD + (
    "C1,D1,call,2024-02-10,2024-02-12,,They asked for another discount.\n"
    "C1,D1,call,2024-02-10,2024-03-05,,Legal raised doubts about the hosting.\n"
    "C1,D1,call,2024-02-10,2024-03-05,,A later export of the same minute says nothing.\n"
    "C2,D2,call,2024-02-10,2024-03-05,,The pilot starts on Monday.\n"
)


def test_what_a_text_told_before_it_was_rewritten_is_found_again(tmp_path: Path) -> None:
    _load(tmp_path, {"activities": VERSIONS})
    assert _told(tmp_path / "w", MARCH) == [
        ("C1", "negotiation", "They asked for another discount.", _day(2, 12))
    ]
    later = _told(tmp_path / "w", _day(4, 1))
    assert "negotiation" not in [row[1] for row in later]
    assert _told(tmp_path / "w") == later


@pytest.mark.slow
@pytest.mark.parametrize("cut", ["2024-02-12", "2024-02-20", "2024-03-01", "2024-03-05"])
def test_a_source_cut_at_a_time_tells_what_the_whole_one_tells_at_that_time(tmp_path: Path, cut: str) -> None:
    instant = datetime.fromisoformat(f"{cut}T00:00:00+00:00")
    activities = VERSIONS + NOTES.removeprefix(HEAD).replace("C1,", "N1,").replace("C2,", "N2,")
    lines = activities.splitlines(keepends=True)
    short = [lines[0], *(line for line in lines[1:] if line.split(",")[4] < cut)]
    _load(tmp_path / "whole", {"activities": activities})
    _load(tmp_path / "cut", {"activities": "".join(short)})
    assert _told(tmp_path / "whole" / "w", instant) == _told(tmp_path / "cut" / "w", instant)


def test_an_edited_lexicon_reads_the_source_anew_and_the_same_one_does_not(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text("[moments.fomo]\npatterns = ['all quiet']\n")
    assert _load(tmp_path, {"activities": NOTES}, str(own)).signals == {"fomo": 1}
    assert _load(tmp_path, {"activities": NOTES}, str(own)).unchanged
    own.write_text("[moments.objection]\npatterns = ['all quiet']\n")
    report = _load(tmp_path, {"activities": NOTES}, str(own))
    assert (report.unchanged, report.signals) == (False, {"objection": 1})


def test_texts_are_left_alone_where_that_is_set(tmp_path: Path) -> None:
    report = _load(tmp_path, {"activities": NOTES}, "off")
    assert report.signals == {}
    assert not [warning for warning in report.warnings if warning.startswith("from text")]
    assert _told(tmp_path / "w") == []


def test_a_lexicon_that_is_not_there_is_named_before_anything_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere\.toml: no such lexicon.*setting 'signals'"):
        _load(tmp_path, {"activities": NOTES}, str(tmp_path / "nowhere.toml"))
    assert not (tmp_path / "w").exists()


def test_activities_of_no_deal_or_never_recorded_tell_nothing(tmp_path: Path) -> None:
    activities = (
        HEAD + "C1,,call,2024-02-10,2024-02-12,,They asked for a discount.\nC2,D1,call,,,,Price talks.\n"
    )
    assert _load(tmp_path, {"activities": activities}).signals == {}


def test_text_rows_can_be_given_in_memory() -> None:
    tables = memory_tables({"text_moments": [{"activity_id": "C1", "kind": "fomo", "known_at": MARCH}]})
    assert tables["text_moments"].to_pyarrow().to_pylist() == [{
        "activity_id": "C1", "opportunity_id": None, "kind": "fomo", "evidence": None, "occurred_at": None,
        "known_at": MARCH, "superseded_at": None,
    }]  # fmt: skip
    assert tables["text_promises"].to_pyarrow().num_rows == 0
