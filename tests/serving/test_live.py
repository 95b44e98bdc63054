"""The server holds one run whole, and follows the pointer without ever holding half of another."""

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from data.errors import PublishError
from models.manifest import write_manifest
from serving.deals import explain_deal, rank_deals
from serving.live import Live, NothingPublishedError, hold
from serving.live.memo import Memo
from serving.publish import publish, published_folder
from serving.published import open_published
from tests.serving.test_publish import FIRST, SECOND, publication


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    publish(tmp_path, FIRST, publication())
    return tmp_path


def point_to(workspace: Path, text: str) -> None:
    (published_folder(workspace) / "CURRENT").write_text(text)


def test_a_held_run_gives_the_tables_of_the_files(workspace: Path) -> None:
    held, opened = hold(workspace), open_published(workspace)
    assert held.run_id == opened.run_id == FIRST
    for name in opened.manifest["files"]:
        assert held.table(name).cast(opened.table(name).schema).equals(opened.table(name))
        assert held.table(name) is held.table(name)


def test_a_held_run_ranks_and_explains_as_the_readers_of_files_do(workspace: Path) -> None:
    held, opened = hold(workspace), open_published(workspace)
    assert tuple(held.deals.score(place) for place in range(len(held.deals))) == rank_deals(opened)
    for one in held.deals.ids:
        assert held.explain(one) == explain_deal(opened, one)
    assert held.explain("A-3") is None


def test_every_deal_of_a_real_run_reads_the_same_from_memory(served: Path) -> None:
    held, opened = hold(served), open_published(served)
    assert tuple(held.deals.score(place) for place in range(len(held.deals))) == rank_deals(opened)
    for one in held.deals.ids[:10]:
        assert held.explain(one) == explain_deal(opened, one)


def test_the_index_holds_what_is_unknown_as_nan_nat_and_none(workspace: Path) -> None:
    deals = hold(workspace).deals
    assert list(deals.ids) == ["A-1", "A-2", "B-1"]
    assert list(deals.published) == [0, 1, 2]
    np.testing.assert_allclose(deals.amount, [1000.0, np.nan, 250.5])
    np.testing.assert_allclose(deals.change, [deals.p_win[0] - 0.7, np.nan, deals.p_win[2] - 0.2])
    assert [str(day) for day in deals.expected_close_on] == ["2026-02-01", "NaT", "NaT"]
    assert list(deals.stage) == ["Proposal", None, "Discovery"]
    assert list(deals.region) == [None, None, None]
    assert list(deals.among("owner_id", {"U2", None})) == [False, True, True]


def test_deals_with_equal_probability_stand_in_the_order_of_their_ids(workspace: Path) -> None:
    held = hold(workspace)
    assert [held.rank_of(one) for one in ("A-1", "A-2", "B-1", "Z")] == [0, 1, 2, None]
    assert [held.place_of(one) for one in ("A-1", "B-1", "Z")] == [0, 2, None]


def test_rows_of_a_deal_are_found_where_it_has_several_one_or_none(workspace: Path) -> None:
    held = hold(workspace)
    told = [[row["sentence"] for row in held.rows("win_reasons.parquet", one)] for one in ("A-1", "A-2", "Z")]
    assert told == [["Met twice.", "In proposal."], ["Met once."], []]
    assert held.rows("win_moments.parquet", "A-1") == []


def test_a_run_still_answers_when_its_folder_has_gone(workspace: Path) -> None:
    held = hold(workspace)
    shutil.rmtree(published_folder(workspace) / FIRST)
    assert held.table("win_features.parquet").num_rows == 3
    assert held.explain("A-1") is not None


def test_records_of_deals_stay_on_the_disk_and_are_verified_like_the_rest(tmp_path: Path) -> None:
    records = pa.table({"opportunity_id": ["A-1"], "kind": ["meeting"]})
    name = "records_activities.parquet"
    folder = publish(tmp_path, FIRST, publication(further={name: records}))
    held = hold(tmp_path)
    assert held.table(name).equals(records)
    held.warm()
    (folder / name).write_bytes(b"PAR1")
    with pytest.raises(PublishError, match=name):
        held.table(name)
    with pytest.raises(PublishError, match=name):
        hold(tmp_path)


def test_a_file_that_a_run_does_not_hold_is_named(workspace: Path) -> None:
    with pytest.raises(PublishError, match=r"win_changes\.parquet"):
        hold(workspace).table("win_changes.parquet")


def test_a_run_whose_model_has_no_copy_says_so_and_answers_without_it(workspace: Path) -> None:
    held = hold(workspace)
    assert held.model() is None
    assert held.model_problem == (
        "the model win-0123456789ab has no copy in this workspace; score again with `dealcast score`"
    )


def test_a_model_whose_copy_was_altered_is_not_loaded(workspace: Path) -> None:
    folder = workspace / "models" / "win-0123456789ab"
    write_manifest(folder, {"model.json": b'{"trained": {"as_of": "2026-01-01"}}'}, {"version": "win-x"})
    (folder / "model.json").write_bytes(b"{}")
    held = hold(workspace)
    assert held.model() is None
    assert str(held.model_problem).startswith("the copy of the model win-0123456789ab is damaged")
    assert held.trained_as_of is None


def test_a_model_version_that_leads_out_of_its_folder_is_not_followed(tmp_path: Path) -> None:
    write_manifest(tmp_path / "elsewhere", {"model.json": b"{}"}, {"version": "x"})
    publish(tmp_path, FIRST, publication(model_version="../elsewhere"))
    assert hold(tmp_path).model() is None


def test_a_changed_byte_in_any_file_keeps_a_run_from_being_held(workspace: Path) -> None:
    path = published_folder(workspace) / FIRST / "win_drivers.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(PublishError, match=r"win_drivers\.parquet: its sha256 differs"):
        hold(workspace)


def test_nothing_published_yet_says_how_to_publish_and_is_noticed_once_there_is_something(
    tmp_path: Path,
) -> None:
    live = Live(tmp_path)
    with pytest.raises(NothingPublishedError, match="dealcast run --source DIR"):
        live.run()
    publish(tmp_path, FIRST, publication())
    assert live.run().run_id == FIRST


def test_the_pointer_is_followed_by_its_content(workspace: Path) -> None:
    live = Live(workspace)
    first = live.run()
    live.check()
    assert live.run() is first
    publish(workspace, SECOND, publication(model_version="win-x"))
    assert live.run() is first
    live.check()
    assert live.run().run_id == SECOND
    assert live.state().problem is None


def test_a_thread_follows_the_pointer_until_it_is_stopped(workspace: Path) -> None:
    live = Live(workspace, poll_seconds=0.01)
    live.start()
    try:
        publish(workspace, SECOND, publication(model_version="win-x"))
        waited = threading.Event()
        for _ in range(1000):
            if live.run().run_id == SECOND:
                break
            waited.wait(0.01)
        assert live.run().run_id == SECOND
    finally:
        live.stop()


@pytest.mark.parametrize("pointer", ["", SECOND[:9], "../../etc", SECOND, "\x00"])
def test_a_pointer_that_leads_nowhere_leaves_the_old_run_and_says_so(workspace: Path, pointer: str) -> None:
    live = Live(workspace)
    first = live.run()
    point_to(workspace, pointer)
    live.check()
    assert live.run() is first
    assert live.state().run_id == FIRST
    assert live.state().problem
    assert first.notices() == (
        "A newer run was published but cannot be read; these are the figures before it.",
    )
    point_to(workspace, FIRST)
    live.check()
    assert live.state().problem is None
    assert first.notices() == ()


def test_a_pointer_that_was_deleted_leaves_the_run_that_is_held(workspace: Path) -> None:
    live = Live(workspace)
    first = live.run()
    (published_folder(workspace) / "CURRENT").unlink()
    live.check()
    assert live.run() is first
    assert live.state().problem == "the pointer published/CURRENT is absent"


@pytest.mark.parametrize("how", ["cut", "flipped", "deleted", "no manifest"])
def test_a_damaged_new_run_leaves_the_old_one_and_is_taken_once_it_is_whole(
    workspace: Path, how: str
) -> None:
    live = Live(workspace)
    first = live.run()
    folder = publish(workspace, SECOND, publication(model_version="win-x"))
    path = folder / ("manifest.json" if how == "no manifest" else "win_scores.parquet")
    whole = path.read_bytes()
    if how == "cut":
        path.write_bytes(whole[:100])
    elif how == "flipped":
        path.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    else:
        path.unlink()
    live.check()
    assert live.run() is first
    assert path.name in str(live.state().problem)
    path.write_bytes(whole)
    live.check()
    assert live.run().run_id == SECOND
    assert live.state().problem is None


def test_holding_a_run_loads_neither_the_warehouse_nor_the_models_libraries(workspace: Path) -> None:
    heavy = "{'ibis', 'duckdb', 'mlflow', 'prefect', 'lightgbm', 'sklearn'}"
    code = (
        "import sys; from pathlib import Path; from serving.live import hold; "
        f"hold(Path({str(workspace)!r})).explain('A-1'); assert not {heavy} & set(sys.modules), sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_memo_makes_a_value_once_even_for_threads_that_ask_at_the_same_time() -> None:
    memo, made, together = Memo(4), [], threading.Barrier(8)

    def make() -> int:
        made.append(1)
        return 7

    def ask(answers: list[int]) -> None:
        together.wait()
        answers.append(memo.get("key", make))

    answers: list[int] = []
    threads = [threading.Thread(target=ask, args=(answers,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [7] * 8
    assert len(made) == 1


def test_a_memo_forgets_what_was_asked_for_longest_ago_and_never_keeps_a_failure() -> None:
    memo, made = Memo(2), []

    def make(key: str) -> str:
        made.append(key)
        return key

    for key in ("a", "b", "a", "c", "a", "b"):
        memo.get(key, lambda key=key: make(key))
    assert made == ["a", "b", "c", "b"]
    with pytest.raises(ZeroDivisionError):
        memo.get("d", lambda: 1 / 0)
    assert memo.get("d", lambda: 1.0) == 1.0
