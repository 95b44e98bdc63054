import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from data.answers import STORE_FILE, answered, answers, answers_metadata
from data.errors import SourceError
from data.schema import QUESTIONS
from data.warehouse import open_warehouse
from features.assemble import feature_frame
from features.families.qualification import FEATURES
from features.snapshots import DAY, Calendar, deal_snapshots
from tests.data.sources import SMALL, load, rows, write

MONDAY = datetime(2024, 2, 12, 9, tzinfo=UTC)
WEDNESDAY = MONDAY + timedelta(days=2)
FRIDAY = MONDAY + timedelta(days=4)
ANSWERS = "SELECT question, side, answer, evidence, known_at FROM qualification WHERE opportunity_id = ?"
SOURCE = {
    **SMALL,
    "qualification": "opportunity_id,question,side,answer,known_at\nD1,why,vendor,2,2024-02-05\n",
}


def submit(
    workspace: Path, side: str, at: datetime, *, deal: str = "D1", level: int = 3, **more: Any
) -> None:
    """The four answers of a side, as the server stores them."""
    workspace.mkdir(exist_ok=True)
    engine = sa.create_engine(f"sqlite:///{workspace / STORE_FILE}")
    answers_metadata.create_all(engine)
    row = {"sheet_id": "S1", "round": 1, "side": side, "opportunity_id": deal, "answer": level,
           "evidence": "", "submitted_at": at, **more}  # fmt: skip
    with engine.begin() as con:
        con.execute(answers.insert(), [{**row, "question": question} for question in QUESTIONS])
    engine.dispose()


def _of_deal(workspace: Path, deal: str = "D1") -> list[tuple[Any, ...]]:
    return rows(workspace, ANSWERS.replace("?", f"'{deal}'") + " ORDER BY source_row")


def test_answers_of_one_side_are_no_rows_until_the_other_side_has_answered(tmp_path: Path) -> None:
    source, workspace = write(tmp_path / "in", SMALL), tmp_path / "w"
    submit(workspace, "vendor", MONDAY)
    load(source, workspace)
    assert _of_deal(workspace) == []
    submit(workspace, "customer", WEDNESDAY, level=1)
    report = load(source, workspace)
    assert not report.unchanged
    assert _of_deal(workspace) == [
        (question, side, {"customer": 1, "vendor": 3}[side], None, WEDNESDAY)
        for question in ("decision_process", "means", "when", "why")
        for side in ("customer", "vendor")
    ]


def test_the_load_counts_answers_in_report_ledger_and_fingerprint(tmp_path: Path) -> None:
    source, workspace = write(tmp_path / "in", SOURCE), tmp_path / "w"
    before = load(source, workspace)
    submit(workspace, "vendor", MONDAY)
    assert load(source, workspace).unchanged
    submit(workspace, "customer", WEDNESDAY)
    after = load(source, workspace)
    assert (before.rows["qualification"], after.rows["qualification"]) == (1, 9)
    assert before.fingerprint != after.fingerprint
    assert "from sheets: 8 answers on 1 deals" in after.warnings
    assert load(source, workspace).unchanged
    counts = json.loads(rows(workspace, "SELECT counts FROM load_ledger ORDER BY n DESC LIMIT 1")[0][0])
    assert counts["qualification"] == {"mapped": 9, "kept": 9, "rejected": 0, "rejected_apart": 0}


def test_rows_of_sheets_stand_beside_those_of_the_source_and_are_listed(tmp_path: Path) -> None:
    source, workspace = write(tmp_path / "in", SOURCE), tmp_path / "w"
    submit(workspace, "vendor", MONDAY, evidence="board paper of 3 March")
    submit(workspace, "customer", WEDNESDAY, evidence="")
    load(source, workspace)
    found = [row[:4] for row in _of_deal(workspace) if row[0] == "why"]
    assert found == [
        ("why", "vendor", 2, None),
        ("why", "customer", 3, None),
        ("why", "vendor", 3, "board paper of 3 March"),
    ]
    listed = rows(workspace, "FROM qualification_from_sheets ORDER BY source_row LIMIT 2")
    assert listed == [(2, "S1", 1, WEDNESDAY), (3, "S1", 1, MONDAY)]


def test_a_later_round_adds_its_answers_and_keeps_those_before(tmp_path: Path) -> None:
    source, workspace = write(tmp_path / "in", SMALL), tmp_path / "w"
    for number, at in ((1, MONDAY), (2, FRIDAY)):
        submit(workspace, "vendor", at, round=number, level=number)
        submit(workspace, "customer", at, round=number, level=number)
    load(source, workspace)
    found = [row[2:] for row in _of_deal(workspace) if row[:2] == ("means", "customer")]
    assert found == [(1, None, MONDAY), (2, None, FRIDAY)]


def test_answers_on_a_deal_that_the_source_does_not_have_are_kept_apart_and_stop_nothing(
    tmp_path: Path,
) -> None:
    source, workspace = write(tmp_path / "in", SMALL), tmp_path / "w"
    for side in ("vendor", "customer"):
        submit(workspace, side, MONDAY, deal="D77", evidence="told by phone")
    report = load(source, workspace, share=0.0)
    assert report.rejects == {"qualification": 8}
    found = rows(
        workspace, 'SELECT DISTINCT "table", key, "column", value, reason, counted FROM rejected_rows'
    )
    assert found == [
        (
            "qualification",
            "D77",
            "opportunity_id",
            "D77",
            "not found in opportunities (answered on a sheet)",
            False,
        )
    ]
    kept = json.loads(rows(workspace, 'SELECT "row" FROM rejected_rows LIMIT 1')[0][0])
    assert (kept["evidence"], kept["sheet_id"], kept["answer"]) == ("told by phone", "S1", 3)


def test_features_know_the_answers_from_the_moment_both_were_in_and_not_before(tmp_path: Path) -> None:
    source, workspace = write(tmp_path / "in", SMALL), tmp_path / "w"
    submit(workspace, "vendor", MONDAY, level=4)
    submit(workspace, "customer", WEDNESDAY, level=1)
    load(source, workspace)
    assert _features(workspace, WEDNESDAY) == (0, 0, None)
    assert _features(workspace, WEDNESDAY + timedelta(seconds=1)) == (4, 4, 3)


def _features(workspace: Path, as_of: datetime) -> tuple[Any, ...]:
    """Questions answered by our side and the buyer, and the gap on means, of deal D1."""
    wanted = ("questions_answered_vendor", "questions_answered_customer", "means_gap")
    with open_warehouse(workspace) as warehouse:
        tables = warehouse.tables(as_of)
        snapshots = deal_snapshots(tables, Calendar(as_of, 7 * DAY))
        chosen = tuple(feature for feature in FEATURES if feature.name in wanted)
        found = feature_frame(warehouse.con, tables, snapshots, chosen).to_pylist()
    row = next(row for row in found if (row["opportunity_id"], row["as_of"]) == ("D1", as_of))
    return tuple(row[name] for name in wanted)


def test_answers_long_after_the_sources_end_are_told(tmp_path: Path) -> None:
    source, workspace = write(tmp_path / "in", SMALL), tmp_path / "w"
    for side in ("vendor", "customer"):
        submit(workspace, side, datetime(2024, 6, 1, tzinfo=UTC))
    notes = [note for note in load(source, workspace).coverage.notes if note.table == "qualification"]
    assert [(note.column, note.rows, note.note) for note in notes] == [
        ("known_at", 8, "answered on a sheet more than 7 days after the source's newest row")
    ]


def test_a_workspace_without_a_store_or_with_an_empty_one_has_no_answers(tmp_path: Path) -> None:
    assert answered(tmp_path).num_rows == 0
    (tmp_path / STORE_FILE).touch()
    assert answered(tmp_path).num_rows == 0


def test_a_damaged_store_stops_the_load_and_is_named(tmp_path: Path) -> None:
    (tmp_path / STORE_FILE).write_bytes(b"anything but a database, and long enough " * 30)
    with pytest.raises(SourceError, match=r"serve\.db: the answers to sheets cannot be read .*Restore"):
        answered(tmp_path)


@pytest.mark.parametrize("wrong", [{"level": 5}, {"side": "broker"}], ids=["level", "side"])
def test_the_store_itself_refuses_an_answer_that_is_none(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(sa.exc.IntegrityError):
        submit(tmp_path, wrong.pop("side", "vendor"), MONDAY, **wrong)
