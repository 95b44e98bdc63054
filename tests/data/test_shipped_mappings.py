from pathlib import Path

import pytest

from data.mapping import load_mapping
from tests.data.sources import load, rows

_SHARED = Path(__file__).parents[2].parent / "shared" / "data"

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not _SHARED.is_dir(), reason="the shared data folder is absent"),
]


@pytest.mark.parametrize(("mapping", "folder", "outcomes", "counts"), [
    ("maven", "maven_crm", {"won": 4238, "lost": 2473, None: 2089}, {"accounts": 85, "users": 41}),
    ("agency_crm", "synthetic_crm_full", {"won": 1318, "lost": 484, None: 48},
     {"accounts": 220, "users": 84, "contacts": 520, "activities": 14105, "contracts": 1318}),
    pytest.param("bpic2012", "bpic2012", {"won": 2246, "lost": 7635 + 2807, None: 399},
                 {"accounts": 13087, "users": 68, "activities": 72413}, marks=pytest.mark.slow),
])  # fmt: skip
def test_a_real_export_loads_without_rejects_and_with_the_outcomes_its_readme_counts(
    tmp_path: Path, mapping: str, folder: str, outcomes: dict[str | None, int], counts: dict[str, int]
) -> None:
    report = load(_SHARED / folder, tmp_path, mapping)
    found = dict(rows(tmp_path, "SELECT outcome, count(*) FROM opportunities GROUP BY 1"))
    assert found == outcomes
    assert report.rejects == {}
    assert {table: report.rows[table] for table in counts} == counts


@pytest.mark.parametrize(("mapping", "banned"), [
    ("maven", ("close_value",)),
    ("agency_crm", ("probability_manual", "lost_reason", "last_activity_date", "expected_close_date")),
    ("bpic2012", ("n_events", "last_event", "derived_outcome")),
    ("ravenstack", ("churn_flag", "churn_events", "upgrade_flag", "downgrade_flag", "auto_renew_flag",
                    "satisfaction_score", "escalation_flag")),
])  # fmt: skip
def test_no_mapping_reads_a_column_that_states_the_outcome(mapping: str, banned: tuple[str, ...]) -> None:
    for query in load_mapping(mapping).queries:
        code = "\n".join(line for line in query.sql.splitlines() if not line.lstrip().startswith("--"))
        assert not [name for name in banned if name in code], query.place


def test_the_leaky_variant_carries_the_deal_value_that_is_filled_at_close(tmp_path: Path) -> None:
    load(_SHARED / "maven_crm", tmp_path, Path(__file__).parent / "leaky_maven")
    sql = "SELECT count(*) FROM opportunities WHERE outcome = 'lost' AND x_close_value = '0'"
    assert rows(tmp_path, sql) == [(2473,)]
    assert rows(tmp_path, "SELECT count(x_close_value) FROM opportunities WHERE outcome IS NULL") == [(0,)]
