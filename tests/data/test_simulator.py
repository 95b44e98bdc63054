"""The simulated tables keep the data contract, and hold what a CRM of the day would hold."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.currency import Rates
from data.errors import UsageError
from data.schema import TABLES
from data.simulator import simulate
from data.simulator.phrases import HELD_OUT, PHRASES
from data.simulator.strengths import BELIEFS
from data.simulator.writing import canonical_schema
from data.warehouse import memory_tables

AS_OF = datetime(2026, 1, 5, tzinfo=UTC)
Tables = dict[str, pd.DataFrame]


def read(directory: Path) -> Tables:
    return {path.stem: pq.read_table(path).to_pandas() for path in sorted(directory.glob("*.parquet"))}


def digests(directory: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(directory.glob("*.parquet"))}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("simulated") / "crm"
    simulate(directory, deals=1_500, seed=3)
    return directory


@pytest.fixture(scope="module")
def tables(folder: Path) -> Tables:
    return read(folder)


@pytest.fixture(scope="module")
def truth(folder: Path) -> pd.DataFrame:
    return pq.read_table(folder.with_name("crm-truth") / "truth.parquet").to_pandas()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        simulate(tmp_path / name, deals=60, seed=seed)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert digests(tmp_path / "a-truth") == digests(tmp_path / "b-truth")
    assert digests(tmp_path / "a")["activities.parquet"] != digests(tmp_path / "c")["activities.parquet"]


def test_all_tables_have_the_declared_columns_and_types(folder: Path) -> None:
    assert {path.stem for path in folder.glob("*.parquet")} == set(TABLES)
    for name, table in TABLES.items():
        schema = pq.read_schema(folder / f"{name}.parquet")
        assert schema.equals(canonical_schema(name))
        assert tuple(n for n in schema.names if not n.startswith("x_")) == table.column_names
        times = [c.name for c in table.columns if c.dtype == "timestamp"]
        assert all(schema.field(time).type == pa.timestamp("us", tz="UTC") for time in times)


@pytest.mark.parametrize("name", sorted(TABLES))
def test_values_keys_and_references_keep_the_contract(tables: Tables, name: str) -> None:
    table, frame = TABLES[name], tables[name]
    if table.key:
        assert frame[table.key].is_unique
    for column in table.columns:
        values = frame[column.name]
        if not column.nullable:
            assert values.notna().all(), column.name
        if column.values:
            allowed = set(column.values)
            found = {v for v in values.dropna() if not (column.custom_values and v.startswith("x_"))}
            assert found <= allowed, column.name
        if column.minimum is not None:
            assert (values.dropna() >= column.minimum).all(), column.name
        if column.maximum is not None:
            assert (values.dropna() <= column.maximum).all(), column.name
        if column.references:
            other, key = column.references.split(".")
            assert set(values.dropna()) <= set(tables[other][key]), column.name


def test_nothing_is_known_at_or_after_as_of(tables: Tables) -> None:
    for name, table in TABLES.items():
        if table.clock:
            assert (tables[name][table.clock] < AS_OF).all(), name
    assert (tables["opportunities"]["closed_at"].dropna() < AS_OF).all()
    assert (tables["contracts"]["decided_at"].dropna() < AS_OF).all()
    assert (tables["opportunity_contacts"]["removed_at"].dropna() < AS_OF).all()


def test_times_run_in_order(tables: Tables) -> None:
    deals = tables["opportunities"]
    closed = deals.dropna(subset="closed_at")
    assert (closed["closed_at"] > closed["created_at"]).all()
    assert (deals["outcome"].isna() == deals["closed_at"].isna()).all()
    assert (tables["contracts"]["end_at"] > tables["contracts"]["start_at"]).all()
    accounts = tables["accounts"].set_index("account_id")["known_at"]
    assert (deals["account_id"].map(accounts) < deals["created_at"]).all()
    gone = tables["opportunity_contacts"].dropna(subset="removed_at")
    assert len(gone) > 0
    assert (gone["removed_at"] >= gone["known_at"]).all()


def test_each_history_begins_at_creation_and_every_old_value_is_the_one_before(tables: Tables) -> None:
    changes = tables["opportunity_changes"].merge(tables["opportunities"], on="opportunity_id")
    changes = changes.sort_values(["opportunity_id", "field", "changed_at"], kind="stable")
    before = changes.groupby(["opportunity_id", "field"])["new_value"].shift()
    assert (before.fillna("none") == changes["old_value"].fillna("none")).all()
    first = changes[before.isna()]
    assert (first["changed_at"] == first["created_at"]).all()
    assert set(changes["field"]) == {
        "stage",
        "amount",
        "close_date",
        "forecast_category",
        "owner",
        "x_health",
    }
    assert set(changes.loc[changes["field"] == "stage", "new_value"]) <= set(tables["stages"]["stage"])
    last_owner = changes[changes["field"] == "owner"].groupby("opportunity_id")["new_value"].last()
    owner = tables["opportunities"].set_index("opportunity_id")["owner_id"]
    assert (last_owner == owner.loc[last_owner.index]).all()
    assert (changes[changes["field"] == "owner"].groupby("opportunity_id").size() > 1).any()


def test_many_activities_are_logged_late_and_meetings_ahead_are_already_booked(tables: Tables) -> None:
    activities = tables["activities"]
    delay = (activities["known_at"] - activities["occurred_at"]).dt.total_seconds() / 86_400
    notes = delay[activities["kind"] != "email"]
    assert 0.1 < (notes > 1).mean() < 0.5
    assert (notes > 5).any()
    booked = activities[activities["occurred_at"] > activities["known_at"]]
    assert len(booked) > 0.03 * len(activities)
    ahead = activities[activities["occurred_at"] >= AS_OF]
    assert len(ahead) > 0
    said = tables["activity_participants"].merge(ahead, on="activity_id")["attended"]
    assert said.isna().all()


def test_the_entry_of_a_meeting_still_to_come_does_not_tell_what_will_happen_in_it(tables: Tables) -> None:
    activities = tables["activities"]
    booked = activities[activities["known_at"] < activities["occurred_at"]]
    told = [line for lines in PHRASES.values() for line in lines if "{" not in line]
    assert not booked["body"].map(lambda body: any(line in body for line in told)).any()
    assert activities["body"].map(lambda body: any(line in body for line in told)).mean() > 0.15


def test_each_participant_is_a_contact_or_a_seller_and_some_invited_stay_away(tables: Tables) -> None:
    people = tables["activity_participants"]
    assert (people["contact_id"].isna() != people["user_id"].isna()).all()
    contacts = people[people["contact_id"].notna()]
    assert 0.05 < (contacts["attended"] == False).mean() < 0.4  # noqa: E712
    assert 20 < len(tables["activities"]) / len(tables["opportunities"]) < 45


def test_every_role_kind_and_signal_occurs_and_some_roles_are_unknown(tables: Tables) -> None:
    roles = tables["opportunity_contacts"]["buying_role"]
    assert set(roles) == set(TABLES["opportunity_contacts"].column("buying_role").values)
    assert 0.03 < (roles == "unknown").mean() < 0.4
    assert set(tables["moments"]["kind"]) == set(TABLES["moments"].column("kind").values)
    assert set(tables["promises"]["event"]) == set(TABLES["promises"].column("event").values)
    assert set(tables["activities"]["kind"]) == set(TABLES["activities"].column("kind").values)
    structure = tables["accounts"]["decision_structure"]
    assert set(structure.dropna()) == {"centralised", "distributed"}
    assert structure.isna().any()


def test_held_out_wording_is_never_written(tables: Tables) -> None:
    written = " ".join(tables["activities"]["body"]) + " ".join(tables["moments"]["evidence"])
    for lines in HELD_OUT.values():
        for line in lines:
            assert max(line.replace("{due}", "{}").split("{}"), key=len) not in written


def test_the_share_won_and_the_share_open_are_those_of_a_living_business(tables: Tables) -> None:
    outcome = tables["opportunities"]["outcome"]
    assert 0.25 < (outcome == "won").sum() / outcome.notna().sum() < 0.38
    assert 0.07 < outcome.isna().mean() < 0.16


def test_close_dates_are_pushed_and_often_wrong(tables: Tables) -> None:
    dates = tables["opportunity_changes"].query("field == 'close_date'")
    assert (dates.groupby("opportunity_id").size() > 1).mean() > 0.2
    last = dates.groupby("opportunity_id")["new_value"].last()
    closed = tables["opportunities"].dropna(subset="closed_at").set_index("opportunity_id")["closed_at"]
    off = (pd.to_datetime(last.loc[closed.index], utc=True) - closed).dt.days.abs()
    assert off.median() > 10


def test_the_truth_covers_the_weekly_calendar_of_every_open_life(tables: Tables, truth: pd.DataFrame) -> None:
    age = (AS_OF - truth["as_of"]).dt.total_seconds() / 604_800
    assert (age == age.round()).all()
    assert (age >= 0).all()
    deals = tables["opportunities"].set_index("opportunity_id")
    rows = truth.join(deals, on="opportunity_id")
    assert (rows["created_at"] < rows["as_of"]).all()
    assert ((rows["closed_at"] >= rows["as_of"]) | rows["closed_at"].isna()).all()
    instants = pd.Series(np.arange(0, 157)).map(lambda k: AS_OF - pd.Timedelta(weeks=k))
    for key in ("D0000007", "D0000700", "D0001499"):
        end = deals.loc[key, "closed_at"] if pd.notna(deals.loc[key, "closed_at"]) else pd.Timestamp(AS_OF)
        want = {t for t in instants if deals.loc[key, "created_at"] < t <= end}
        assert set(truth.loc[truth["opportunity_id"] == key, "as_of"]) == want
    z = sum(truth[f"latent_log_odds_{belief}"] for belief in BELIEFS)
    assert np.allclose(1 / (1 + np.exp(-z)), truth["p_win"], atol=1e-12)
    closed = rows.dropna(subset="outcome")
    assert ((closed["outcome"] == "won") == closed["won_eventually"]).all()


def test_what_the_tables_show_goes_with_the_truth_in_the_expected_direction(
    tables: Tables, truth: pd.DataFrame
) -> None:
    """Counts of what is known in the seventh week, against the true log-odds."""
    truth = truth.sort_values(["opportunity_id", "as_of"])
    middle = truth[truth.groupby("opportunity_id").cumcount() == 6].set_index("opportunity_id")
    z = np.log(middle["p_win"] / (1 - middle["p_win"]))

    def seen(name: str, rows: pd.Series) -> pd.Series:
        frame = tables[name][rows].dropna(subset="opportunity_id").join(middle["as_of"], on="opportunity_id")
        known = frame[frame["known_at"] < frame["as_of"]]
        return known.groupby("opportunity_id").size().reindex(middle.index).fillna(0)

    roles, moments = tables["opportunity_contacts"], tables["moments"]
    promises, answers = tables["promises"], tables["qualification"]
    assert seen("opportunity_contacts", roles["buying_role"] == "economic_buyer").corr(z) > 0.1
    assert seen("opportunity_contacts", roles["buying_role"] == "blocker").corr(z) < 0
    assert seen("moments", moments["kind"] == "mission_critical").corr(z) > 0.1
    assert seen("moments", moments["kind"] == "objection").corr(z) < -0.03
    assert seen("promises", promises["event"] == "rescheduled").corr(z) < -0.05
    assert seen("activities", tables["activities"]["direction"] == "inbound").corr(z) > 0.06
    assert seen("qualification", (answers["side"] == "customer") & (answers["answer"] >= 3)).corr(z) > 0.05


def held(tables: Tables, truth: pd.DataFrame, field: str) -> pd.DataFrame:
    """The value of a field that stood in the CRM at each instant of the truth."""
    changes = tables["opportunity_changes"].query("field == @field").sort_values("changed_at")
    return pd.merge_asof(
        truth.sort_values("as_of"), changes, left_on="as_of", right_on="changed_at", by="opportunity_id",
        allow_exact_matches=False,
    )  # fmt: skip


def test_later_stages_are_likelier_wins_and_the_vendors_guess_is_rough(
    tables: Tables, truth: pd.DataFrame
) -> None:
    open_stages = tables["stages"].sort_values("position").iloc[:6]
    at = held(tables, truth, "stage").groupby("new_value")["p_win"].mean().reindex(open_stages["stage"])
    assert at.iloc[-1] > at.iloc[:3].mean() + 0.15
    assert at.iloc[3:].mean() > at.iloc[:3].mean() + 0.05
    off = (at.to_numpy() - open_stages["default_probability"].to_numpy()).round(3)
    assert (abs(off) < 0.15).all()
    assert (off != 0).any()


def test_what_sellers_say_of_a_deal_is_telling_but_far_from_the_truth(
    tables: Tables, truth: pd.DataFrame
) -> None:
    z = np.log(truth["p_win"] / (1 - truth["p_win"])).rename("z")
    for field, order in (
        ("forecast_category", ["Pipeline", "Best Case", "Commit"]),
        ("x_health", ["red", "amber", "green"]),
    ):
        said = held(tables, truth.assign(z=z), field)
        level = said["new_value"].map({name: place for place, name in enumerate(order)})
        assert 0.05 < level.corr(said["z"]) < 0.5, field


def test_every_amount_has_a_rate_when_it_comes_to_be_and_some_rates_are_put_right(
    folder: Path, tables: Tables
) -> None:
    given = {name: pq.read_table(folder / f"{name}.parquet") for name in ("exchange_rates", "opportunities")}
    rates = Rates.read(memory_tables(given), AS_OF)
    assert rates.currency == "EUR"
    for name, clock in (("opportunities", "created_at"), ("contracts", "start_at")):
        at = tables[name][clock].dt.tz_localize(None).to_numpy()
        assert rates.convert(np.ones(len(at)), tables[name]["currency"], at).missing == {}, name
    rows = tables["exchange_rates"]
    assert set(rows["to_currency"]) == {"EUR"}
    assert set(rows["from_currency"]) == set(tables["opportunities"]["currency"]) - {"EUR"}
    delay = (rows["known_at"] - rows["rate_date"]).dt.total_seconds() / 86_400
    assert 0 < (delay > 1).mean() < 0.1
    by_month = rows[delay < 1].groupby("from_currency")["rate"]
    assert ((by_month.max() / by_month.min() > 1.01) & (by_month.max() / by_month.min() < 1.5)).all()


@pytest.mark.parametrize("deals", [1, 10])
def test_a_small_world_is_whole(tmp_path: Path, deals: int) -> None:
    report = simulate(tmp_path / "w", deals=deals, seed=8, years=1.0)
    assert report.rows["opportunities"] == deals
    assert set(report.rows) == set(TABLES)
    assert {path.stem for path in (tmp_path / "w").glob("*.parquet")} == set(TABLES)


def test_another_end_of_the_world_moves_the_calendar(tmp_path: Path) -> None:
    end = datetime(2024, 2, 29, 13, 30, tzinfo=UTC)
    simulate(tmp_path / "w", deals=80, seed=8, years=1.0, as_of=end)
    tables = read(tmp_path / "w")
    assert (tables["activities"]["known_at"] < end).all()
    assert tables["opportunities"]["created_at"].min() > end - pd.Timedelta(days=366)
    truth = read(tmp_path / "w-truth")["truth"]
    assert truth["as_of"].max() == end


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"deals": 0}, "deals"),
        ({"seed": -1}, "seed"),
        ({"years": 0.0}, "years"),
        ({"as_of": datetime(2024, 1, 1)}, "as_of"),  # noqa: DTZ001
    ],
)
def test_arguments_that_make_no_world_are_refused_by_name(
    tmp_path: Path, arguments: dict[str, object], named: str
) -> None:
    values: dict[str, object] = {"deals": 5, "seed": 1} | arguments
    with pytest.raises(UsageError, match=named):
        simulate(tmp_path / "w", **values)  # type: ignore[arg-type]
    assert not (tmp_path / "w").exists()
