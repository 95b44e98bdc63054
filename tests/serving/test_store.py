import sqlite3
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa

from data.answers import Instant, answered, answers
from serving.store import Store, StoreError, metadata

notes = sa.Table(
    "test_notes",
    metadata,
    sa.Column("note", sa.String, primary_key=True),
    sa.Column("at", Instant),
)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def _noted(store: Store) -> list[str]:
    with store.reading() as con:
        return list(con.scalars(sa.select(notes.c.note).order_by(notes.c.note)))


def _note(store: Store, note: str) -> None:
    with store.writing() as con:
        con.execute(notes.insert().values(note=note, at=NOON))


def test_the_store_is_made_on_first_use_for_its_owner_only(tmp_path: Path) -> None:
    store = Store(tmp_path / "new" / "workspace")
    _note(store, "one")
    files = sorted((tmp_path / "new" / "workspace").iterdir())
    assert {file.name: oct(file.stat().st_mode & 0o777) for file in files} == {
        "serve.db": "0o600", "serve.db-shm": "0o600", "serve.db-wal": "0o600",
    }  # fmt: skip


def test_what_was_written_and_its_keys_survive_a_restart(tmp_path: Path) -> None:
    store = Store(tmp_path)
    _note(store, "one")
    key = store.secret("links")
    store.close()
    again = Store(tmp_path)
    assert _noted(again) == ["one"]
    assert again.secret("links") == key
    assert again.secret("others") != key
    assert len(key) == 32


def test_any_folder_name_holds_a_store_that_the_load_can_read(tmp_path: Path) -> None:
    folder = tmp_path / "ünï code? 100% #1 & more"
    store = Store(folder)
    _note(store, "one")
    assert _noted(Store(folder)) == ["one"]
    assert [file.name for file in tmp_path.iterdir()] == [folder.name]
    with store.writing() as con:
        con.execute(answers.insert(), [
            {"sheet_id": "S", "round": 1, "side": side, "question": "why", "opportunity_id": "D1",
             "answer": 2, "evidence": "", "submitted_at": NOON} for side in ("vendor", "customer")
        ])  # fmt: skip
    assert answered(folder).num_rows == 2


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def fail() -> None:
        with store.writing() as con:
            con.execute(notes.insert().values(note="half", at=NOON))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert _noted(store) == []


def test_a_reader_does_not_wait_for_a_writer_and_sees_the_state_before_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    _note(store, "before")
    with store.writing() as con:
        con.execute(notes.insert().values(note="during", at=NOON))
        assert _noted(store) == ["before"]
    assert _noted(store) == ["before", "during"]


def test_forty_writers_at_once_lose_nothing_they_read(tmp_path: Path) -> None:
    store, other = Store(tmp_path), Store(tmp_path)

    def add(place: int) -> None:
        with (store if place % 2 else other).writing() as con:
            count = con.scalar(sa.select(sa.func.count()).select_from(notes))
            con.execute(notes.insert().values(note=f"{count:03d}", at=NOON))

    threads = [threading.Thread(target=add, args=(place,)) for place in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _noted(store) == [f"{place:03d}" for place in range(40)]


def test_an_instant_comes_back_as_it_went_in_and_without_a_zone_it_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    east = datetime(2026, 3, 1, 14, 0, 0, 7, tzinfo=timezone(timedelta(hours=2)))
    with store.writing() as con:
        con.execute(notes.insert().values(note="one", at=east))
        assert con.scalar(sa.select(notes.c.at)) == datetime(2026, 3, 1, 12, 0, 0, 7, tzinfo=UTC)
    with pytest.raises(sa.exc.StatementError, match="a time with a zone"), store.writing() as con:
        con.execute(notes.insert().values(note="two", at=east.replace(tzinfo=None)))


def test_a_store_of_another_version_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    Store(tmp_path).close()
    with sqlite3.connect(tmp_path / "serve.db") as con:
        con.execute("PRAGMA user_version = 99")
    con.close()
    with pytest.raises(StoreError, match=r"serve\.db: expected a store of version 1, found version 99"):
        Store(tmp_path)
    con = sqlite3.connect(tmp_path / "serve.db")
    assert con.execute("PRAGMA user_version").fetchone() == (99,)
    con.close()


def test_a_damaged_store_is_named_with_its_remedy(tmp_path: Path) -> None:
    (tmp_path / "serve.db").write_bytes(b"not a database, though it is long enough to be read as one" * 20)
    with pytest.raises(StoreError, match=r"serve\.db: cannot be opened as a store .*Restore it"):
        Store(tmp_path)
