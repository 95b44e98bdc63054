import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from data.errors import UsageError
from data.settings import Settings, load_settings, parse_as_of, starter_toml


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_an_argument_beats_the_environment_which_beats_the_file_which_beats_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("dealcast.toml").write_text("seed = 1\nn_trials = 2\nexplain_top = 3\n")
    monkeypatch.setenv("DEALCAST_SEED", "10")
    monkeypatch.setenv("DEALCAST_N_TRIALS", "20")
    settings = load_settings(seed=100, n_trials=None)
    assert (settings.seed, settings.n_trials, settings.explain_top) == (100, 20, 3)
    assert settings.max_reject_share == 0.01


def test_a_settings_file_may_lie_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text('as_of = 2025-06-30\naudit_allow = ["amount"]\n')
    settings = load_settings(file)
    assert settings.as_of == datetime(2025, 6, 30, tzinfo=UTC)
    assert settings.audit_allow == ("amount",)


def test_a_list_in_the_environment_is_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEALCAST_AUDIT_ALLOW", "amount, x_tier")
    assert load_settings().audit_allow == ("amount", "x_tier")


def test_an_unknown_setting_is_refused_with_the_nearest_name() -> None:
    Path("dealcast.toml").write_text("max_reject_shar = 0.5\n")
    with pytest.raises(UsageError, match=r"no setting is called 'max_reject_shar'.*'max_reject_share'"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("max_reject_share", 2, "less than or equal to 1"),
        ("snapshots", "hourly", "'auto', 'daily' or 'weekly'"),
        ("seed", "seven", "valid integer"),
        ("reporting_currency", "euro", "iso 4217 code such as eur"),
        ("segment", "employees", "industry, region, decision_structure or a column"),
        ("consumption_period", "daily", "'monthly' or 'weekly'"),
        ("horizon_months", 0, "greater than or equal to 1"),
        ("draws", 10, "greater than or equal to 100"),
        ("overdue_days", -1, "greater than or equal to 0"),
    ],
)
def test_a_wrong_value_is_refused_with_name_expectation_and_finding(
    name: str, value: object, expected: str
) -> None:
    with pytest.raises(UsageError) as caught:
        load_settings(**{name: value})
    assert name in str(caught.value)
    assert expected in str(caught.value)
    assert repr(value) in str(caught.value)


def test_a_file_that_is_not_toml_or_not_there_is_named(tmp_path: Path) -> None:
    Path("dealcast.toml").write_text("seed: 7\n")
    with pytest.raises(UsageError, match=r"dealcast\.toml: expected TOML"):
        load_settings()
    with pytest.raises(UsageError, match=r"nowhere\.toml: no such settings file"):
        load_settings(tmp_path / "nowhere.toml")


@pytest.mark.parametrize("text", ["2025-06-30T09:30:00", "30.06.2025", "yesterday", "2025-02-30"])
def test_an_as_of_without_a_zone_or_that_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected a date like 2025-06-30"):
        parse_as_of(text)
    with pytest.raises(UsageError, match="expected a date like 2025-06-30"):
        load_settings(as_of=text)


def test_currencies_and_segments_are_read_without_regard_to_case() -> None:
    settings = load_settings(reporting_currency=" usd", segment="X_Tier")
    assert (settings.reporting_currency, settings.segment) == ("USD", "x_tier")
    assert load_settings().reporting_currency is None


@pytest.mark.parametrize(
    "url",
    ["deals.example.com", "ftp://deals.example.com", "https://", "https://a:b@x.example", "https://x/?a=1"],
)
def test_an_address_that_is_not_plain_http_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="public_url"):
        load_settings(public_url=url)


def test_a_public_address_loses_its_last_slash_and_an_issuer_keeps_it() -> None:
    settings = load_settings(public_url="https://x.example/deals/", oidc_issuer="https://login.example/")
    assert settings.public_url == "https://x.example/deals"
    assert settings.oidc_issuer == "https://login.example/"


def test_settings_cannot_be_changed_after_they_are_built() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().seed = 8  # type: ignore[misc]


def test_the_starter_file_names_every_setting_and_gives_the_defaults_once_uncommented() -> None:
    starter = starter_toml()
    assert tomllib.loads(starter) == {}
    for name, field in Settings.model_fields.items():
        assert f"# {name} = " in starter
        assert str(field.description) in starter
    uncommented = "\n".join(line[2:] for line in starter.splitlines() if " = " in line)
    Path("dealcast.toml").write_text(uncommented)
    unset = {name: None for name, field in Settings.model_fields.items() if field.default is None}
    assert load_settings().model_copy(update=unset) == Settings()


def test_importing_the_settings_loads_no_table_library() -> None:
    heavy = "{'pandas', 'ibis', 'duckdb', 'pyarrow'}"
    code = f"import data.settings, sys; print(sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          cwd=Path(__file__).parents[2])  # fmt: skip
    assert done.stdout.strip() == "[]"
