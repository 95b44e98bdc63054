"""What is published is whole, verified and adds up."""

import hashlib
import json
import os
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.errors import PublishError, UsageError
from serving.deals import explain_deal, rank_deals
from serving.publish import Publication, publish
from serving.published import current_run_id, open_published

FIRST, SECOND = "20260105T000000Z-00000a", "20260112T000000Z-00000b"
AS_OF = datetime(2026, 1, 5, tzinfo=UTC)
IDS = ["A-1", "A-2", "B-1"]
BASE, PARTS = -1.0, {"meetings": [1.5, 0.5, -0.25], "stage": [0.5, 0.0, -0.75]}
LOG_ODDS = [1.0, -0.5, -2.0]
P_WIN = [0.7310585786300049, 0.3775406687981454, 0.11920292202211755]


def publication(**replaced: object) -> Publication:
    told = [("A-1", "meetings", 1.5, "Met twice."), ("A-1", "stage", 0.5, "In proposal."),
            ("A-2", "meetings", 0.5, "Met once."), ("B-1", "stage", -0.75, "In discovery.")]  # fmt: skip
    values = {
        "as_of": AS_OF,
        "model_version": "win-0123456789ab",
        "data_version": "f" * 64,
        "scores": pa.table({
            "opportunity_id": IDS, "as_of": pa.array([AS_OF] * 3, pa.timestamp("us", "UTC")), "p_win": P_WIN,
            "log_odds": LOG_ODDS, "base_log_odds": [BASE] * 3, "model_version": ["win-0123456789ab"] * 3,
        }),
        "contributions": pa.table({"opportunity_id": IDS, **PARTS}),
        "features": pa.table({
            "opportunity_id": IDS, "meetings": [2, 1, None], "stage": ["Proposal", None, "Discovery"],
        }),
        "drivers": pa.table({
            "opportunity_id": ["A-1", "A-2", "B-1"], "family": ["momentum"] * 3, "title": ["Momentum"] * 3,
            "log_odds": [2.0, 0.5, -1.0],
        }),
        "reasons": pa.table(
            [pa.array(column) for column in zip(*told, strict=True)],
            names=["opportunity_id", "feature", "log_odds", "sentence"],
        ),
        "deals": pa.table({
            "opportunity_id": IDS, "name": ["Alpha", "Beta", "Gamma"], "account": ["Acme", "Acme", None],
            "owner_id": ["U1", "U2", None], "owner": ["Ann", "Bob", None],
            "stage": ["Proposal", None, "Discovery"],
            "amount": [1000.0, None, 250.5], "currency": ["EUR", None, "USD"],
            "expected_close_on": pa.array([date(2026, 2, 1), None, None], pa.date32()),
            "previous_p_win": [0.7, None, 0.2], "evidence": ["Of 40 past deals, 30 were won."] * 3,
            "top_reason": ["Met twice.", "Met once.", "In discovery."],
        }),
    }  # fmt: skip
    return Publication(**{**values, **replaced})  # type: ignore[arg-type]


def test_the_pointer_holds_the_run_id_and_nothing_else(tmp_path: Path) -> None:
    publish(tmp_path, FIRST, publication())
    assert (tmp_path / "published" / "CURRENT").read_bytes() == FIRST.encode()
    assert current_run_id(tmp_path) == FIRST


def test_the_manifest_lists_rows_and_sha256_of_each_parquet_file(tmp_path: Path) -> None:
    folder = publish(tmp_path, FIRST, publication())
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["run_id"] == FIRST
    assert manifest["as_of"] == "2026-01-05T00:00:00Z"
    assert manifest["model_version"] == "win-0123456789ab"
    assert sorted(manifest["files"]) == sorted(path.name for path in folder.glob("*.parquet"))
    for name, entry in manifest["files"].items():
        assert entry["sha256"] == hashlib.sha256((folder / name).read_bytes()).hexdigest()
        assert entry["rows"] == pq.read_table(folder / name).num_rows


def test_what_is_read_is_what_was_published(tmp_path: Path) -> None:
    publish(tmp_path, FIRST, publication())
    published = open_published(tmp_path)
    assert published.as_of == AS_OF
    for name, table in publication().files().items():
        assert published.table(name).equals(table), name


@pytest.mark.parametrize(
    "name", ["win_scores.parquet", "win_contributions.parquet", "win_features.parquet", "manifest.json"]
)
def test_a_flipped_byte_is_refused_by_the_name_of_its_file(tmp_path: Path, name: str) -> None:
    path = publish(tmp_path, FIRST, publication()) / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(PublishError, match=name):
        open_published(tmp_path)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    folder = publish(tmp_path, FIRST, publication())
    (folder / "win_features.parquet").unlink()
    with pytest.raises(PublishError, match=r"win_features\.parquet"):
        open_published(tmp_path)


def test_contributions_that_do_not_add_up_are_not_published(tmp_path: Path) -> None:
    publish(tmp_path, FIRST, publication())
    wrong = pa.table({"opportunity_id": IDS, "meetings": [1.5, 0.5, -0.25], "stage": [0.5, 0.00001, -0.75]})
    with pytest.raises(PublishError, match="'A-2'"):
        publish(tmp_path, SECOND, publication(contributions=wrong))
    assert current_run_id(tmp_path) == FIRST


def test_a_probability_that_differs_from_its_log_odds_is_not_published(tmp_path: Path) -> None:
    scores = publication().scores
    wrong = scores.set_column(2, "p_win", pa.array([0.73, P_WIN[1], P_WIN[2]]))
    with pytest.raises(PublishError, match="'A-1'"):
        publish(tmp_path, FIRST, publication(scores=wrong))


def test_a_deal_listed_twice_is_not_published(tmp_path: Path) -> None:
    ids = ["A-1", "A-1", "B-1"]
    values = publication()
    tables = {
        name: getattr(values, name).set_column(0, "opportunity_id", pa.array(ids))
        for name in ("scores", "contributions", "features")
    }
    with pytest.raises(PublishError, match="one row per deal"):
        publish(tmp_path, FIRST, publication(**tables))


def test_a_published_run_never_changes(tmp_path: Path) -> None:
    publish(tmp_path, FIRST, publication())
    with pytest.raises(PublishError, match="already published"):
        publish(tmp_path, FIRST, publication())


def test_a_half_written_run_is_invisible_and_swept_away_by_the_next(tmp_path: Path) -> None:
    publish(tmp_path, FIRST, publication())
    left = tmp_path / "published" / f".building-{SECOND}"
    left.mkdir()
    (left / "win_scores.parquet").write_bytes(b"half")
    assert open_published(tmp_path).run_id == FIRST
    publish(tmp_path, SECOND, publication())
    assert open_published(tmp_path).run_id == SECOND
    assert not left.exists()


def test_readers_see_a_whole_run_at_every_step_of_publishing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path, FIRST, publication())
    seen: list[str] = []
    settle = os.fsync

    def look(handle: int) -> None:
        seen.append(open_published(tmp_path).run_id)
        settle(handle)

    monkeypatch.setattr("os.fsync", look)
    publish(tmp_path, SECOND, publication())
    assert set(seen) == {FIRST, SECOND}
    assert seen == sorted(seen)


@pytest.mark.parametrize("text", ["../../etc", "20260105T000000Z-00000a/../x", "", "20260105T000000Z"])
def test_a_pointer_that_leads_elsewhere_is_refused(tmp_path: Path, text: str) -> None:
    publish(tmp_path, FIRST, publication())
    (tmp_path / "published" / "CURRENT").write_text(text)
    with pytest.raises(PublishError, match="CURRENT"):
        open_published(tmp_path)


def test_an_empty_run_has_empty_files_not_absent_ones(tmp_path: Path) -> None:
    values = publication()
    tables = ("scores", "contributions", "features", "drivers", "reasons", "deals")
    empty = {name: getattr(values, name).slice(0, 0) for name in tables}
    folder = publish(tmp_path, FIRST, publication(**empty))
    assert pq.read_table(folder / "win_scores.parquet").num_rows == 0
    assert rank_deals(open_published(tmp_path)) == ()


def test_deals_are_ranked_by_probability_with_the_change_since_the_run_before(tmp_path: Path) -> None:
    publish(tmp_path, FIRST, publication())
    ranked = rank_deals(open_published(tmp_path))
    assert [(deal.rank, deal.opportunity_id, deal.name) for deal in ranked] == [
        (1, "A-1", "Alpha"), (2, "A-2", "Beta"), (3, "B-1", "Gamma"),
    ]  # fmt: skip
    assert [deal.change for deal in ranked] == [P_WIN[0] - 0.7, None, P_WIN[2] - 0.2]
    assert ranked[0].expected_close_on == "2026-02-01"
    assert [deal.opportunity_id for deal in rank_deals(open_published(tmp_path), top=1)] == ["A-1"]


@pytest.mark.parametrize("owner", ["bob", "U2"])
def test_an_owner_is_found_by_id_or_by_name_in_any_case(tmp_path: Path, owner: str) -> None:
    publish(tmp_path, FIRST, publication())
    assert [deal.opportunity_id for deal in rank_deals(open_published(tmp_path), owner=owner)] == ["A-2"]


def test_an_unknown_owner_gets_near_matches(tmp_path: Path) -> None:
    publish(tmp_path, FIRST, publication())
    with pytest.raises(UsageError, match="Near matches: Bob"):
        rank_deals(open_published(tmp_path), owner="Bobb")


def test_an_explanation_adds_up_and_holds_only_its_own_deal(tmp_path: Path) -> None:
    publish(tmp_path, FIRST, publication())
    explanation = explain_deal(open_published(tmp_path), "A-1")
    assert (
        explanation.base_log_odds + sum(one.log_odds for one in explanation.drivers) == explanation.log_odds
    )
    assert [reason.sentence for reason in explanation.up] == ["Met twice.", "In proposal."]
    assert explanation.down == ()
    assert [reason.sentence for reason in explain_deal(open_published(tmp_path), "B-1").down] == [
        "In discovery."
    ]


def test_an_unknown_deal_gets_near_matches(tmp_path: Path) -> None:
    publish(tmp_path, FIRST, publication())
    with pytest.raises(UsageError, match="Near matches: A-1"):
        explain_deal(open_published(tmp_path), "A-11")
