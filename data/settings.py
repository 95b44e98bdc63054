"""The one settings object: argument over environment over `dealcast.toml` over default."""

import difflib
import os
import re
import tomllib
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from data.errors import UsageError

__all__ = ["SETTINGS_FILE", "Settings", "load_settings", "parse_as_of", "starter_toml"]

SETTINGS_FILE = "dealcast.toml"
_PREFIX = "DEALCAST_"
_SEGMENTS = ("industry", "region", "decision_structure")


def parse_as_of(text: str) -> datetime:
    """The instant, in UTC, that a date (its midnight UTC) or an ISO time with zone stands for.

    Raises UsageError for anything else, a time without a zone included.

    >>> parse_as_of("2025-06-30").isoformat()
    '2025-06-30T00:00:00+00:00'
    >>> parse_as_of("2025-06-30T09:30:00+02:00").isoformat()
    '2025-06-30T07:30:00+00:00'
    """
    expected = "expected a date like 2025-06-30 or a time with zone like 2025-06-30T09:30:00Z"
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        pass
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"as_of: {expected}, found {text!r}.") from error
    if instant.tzinfo is None:
        raise UsageError(f"as_of: {expected}, found {text!r}. Add the zone, for example {text}Z.")
    return instant.astimezone(UTC)


def _instant(value: Any) -> Any:
    if isinstance(value, datetime):
        return parse_as_of(value.isoformat())
    return parse_as_of(value.isoformat() if isinstance(value, date) else value) if value else None


def _texts(value: Any) -> Any:
    """A comma-separated text (the environment's form) as a tuple."""
    return (
        tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
    )


def _currency(value: str) -> str:
    code = value.strip().upper()
    if not re.fullmatch("[A-Z]{3}", code):
        raise ValueError("expected an ISO 4217 code such as EUR")
    return code


def _segment(value: str) -> str:
    name = value.strip().lower()
    if name not in _SEGMENTS and not re.fullmatch(r"x_\w+", name):
        raise ValueError(f"expected {', '.join(_SEGMENTS)} or a column of accounts that begins with x_")
    return name


def _http_url(value: str) -> str:
    """An http(s) address without a name, a password, a query or a fragment."""
    parts = urlsplit(value.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("expected an address such as https://deals.example.com")
    if parts.username or parts.password:
        raise ValueError("expected an address without a name or password in it")
    return value.strip()


def _base_url(value: str) -> str:
    """Such an address without a slash at its end, so that paths can be put behind it."""
    return _http_url(value).rstrip("/")


class Settings(BaseSettings):
    """Every setting of a run, with its unit and default. Built once, at the edge, by `load_settings`."""

    model_config = SettingsConfigDict(
        frozen=True, env_prefix=_PREFIX, env_ignore_empty=True, extra="forbid", enable_decoding=False
    )

    workspace: Annotated[Path, AfterValidator(Path.expanduser)] = Field(
        Path("workspace"), description="folder for the warehouse, models, runs and published scores"
    )
    source: Path | None = Field(None, description="folder of CSV, CSV.gz or Parquet files to load")
    mapping: str = Field("canonical", description="mapping by name, or a folder of SELECTs, one per table")
    signals: str = Field(
        "shipped",
        description="file of the lexicon that activity texts are read by; shipped; off: none is read",
    )
    as_of: Annotated[datetime | None, BeforeValidator(_instant)] = Field(
        None,
        description="UTC instant to stand at; a date or a time with zone; unset: newest time in the data",
    )
    snapshots: Literal["auto", "daily", "weekly"] = Field(
        "auto", description="training calendar; auto: weekly, daily where the median deal lives under 4 weeks"
    )
    max_reject_share: float = Field(
        0.01, ge=0, le=1, description="share of a table's rows that may be rejected, 0 to 1"
    )
    lock_wait_seconds: float = Field(
        10, ge=0, description="how long to wait for a busy workspace, in seconds"
    )
    max_snapshots: int = Field(
        300_000, ge=1, description="training snapshots, a seeded sample above it; rows"
    )
    seed: int = Field(7, ge=0, description="seed of every random choice")
    n_trials: int = Field(12, ge=0, description="trials of the parameter search; 0: none")
    min_closed_per_outcome: int = Field(
        40, ge=1, description="won deals, and lost deals, needed before a model replaces the baseline"
    )
    audit_allow: Annotated[tuple[str, ...], BeforeValidator(_texts)] = Field(
        (), description="features that the leakage audit may not drop, by name"
    )
    audit_waivers: Path | None = Field(
        None,
        description="file of findings that may stand, each with a reason; unset: audit-waivers.toml in the "
        "workspace, where there is one",
    )
    audit_max_auc: float = Field(
        0.90, ge=0.5, le=1, description="a single feature's AUC above which it counts as leaking, 0.5 to 1"
    )
    audit_max_fill_jump: float = Field(
        0.3, ge=0, le=1, description="rise in filled share at close that counts as leaking, 0 to 1"
    )
    embargo_days: int = Field(
        0, ge=0, description="days between the last known training label and the first test snapshot; "
        "0: one calendar step"
    )  # fmt: skip
    mlflow_tracking_uri: str | None = Field(
        None, description="address of the MLflow store; unset: SQLite in the workspace"
    )
    explain_top: int = Field(5, ge=1, description="drivers shown for a deal; count")
    reporting_currency: Annotated[str | None, AfterValidator(lambda code: code and _currency(code))] = Field(
        None,
        description="ISO 4217 code that amounts are shown in; unset: the commonest of deals and contracts",
    )
    segment: Annotated[str, AfterValidator(_segment)] = Field(
        "industry", description="column of accounts that forecasts are grouped by; `x_` columns too"
    )
    consumption_period: Literal["monthly", "weekly"] = Field(
        "monthly", description="period of the consumption forecast, in calendar months or ISO weeks"
    )
    horizon_months: int = Field(12, ge=1, le=60, description="how far the forecast reaches, in months")
    draws: int = Field(10_000, ge=100, description="draws of the forecast's simulation; count")
    overdue_days: int = Field(
        90, ge=0, description="how long a contract past its term waits for its outcome, in days"
    )
    serve_host: str = Field("127.0.0.1", description="address that `dealcast serve` listens on")
    serve_port: int = Field(
        8765, ge=0, le=65535, description="port that `dealcast serve` listens on; 0: any free"
    )
    public_url: Annotated[str | None, AfterValidator(lambda url: url and _base_url(url))] = Field(
        None,
        description="address that browsers use for the server behind a proxy; unset: the one it listens on",
    )
    oidc_issuer: Annotated[str | None, AfterValidator(lambda url: url and _http_url(url))] = Field(
        None, description="OpenID Connect issuer that people sign in with; unset: the one-time link alone"
    )
    oidc_client_id: str | None = Field(None, description="client id at the issuer")
    oidc_client_secret_file: Path | None = Field(
        None, description="file that holds the client's secret and nothing else; unset: a public client"
    )
    oidc_role_claim: str = Field(
        "roles", description="claim that lists roles: rep, manager, finance, ops; others are passed over"
    )
    oidc_user_claim: str = Field(
        "email", description="claim that says which user of the CRM it is, by user_id or by e-mail address"
    )
    bearer_audience: str | None = Field(
        None, description="audience that bearer tokens of the issuer must name; unset: no bearer tokens"
    )
    session_hours: float = Field(8, gt=0, le=24 * 7, description="how long a sign-in lasts, in hours")
    stale_after_hours: float = Field(
        192, gt=0, description="age of the published scores' as_of at which every page says so, in hours"
    )
    model_stale_after_days: float = Field(
        180, gt=0, description="age of what the model was trained on at which every page says so, in days"
    )
    rate_limit_per_minute: int = Field(
        1200, ge=1, description="requests that one viewer may make in a minute; count"
    )
    body_limit_bytes: int = Field(2_000_000, ge=1024, description="largest body of a request, in bytes")
    mlflow_ui_url: Annotated[str | None, AfterValidator(lambda url: url and _base_url(url))] = Field(
        None, description="address of MLflow's pages, which the page Models links to"
    )
    prefect_ui_url: Annotated[str | None, AfterValidator(lambda url: url and _base_url(url))] = Field(
        None, description="address of Prefect's pages, which the page Models links to"
    )


def load_settings(path: Path | None = None, **arguments: Any) -> Settings:
    """The settings from arguments, environment, file and defaults, in that order of precedence.

    path: the settings file; without it, `dealcast.toml` in the current folder where there is one.
    arguments: an argument that is None counts as not given. Raises UsageError that names the
    setting, what was found and what is expected.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    from_file = {
        name: value for name, value in _read_file(path).items() if not os.environ.get(_PREFIX + name.upper())
    }
    _check_names(given, "an argument")
    try:
        return Settings(**{**from_file, **given})
    except ValidationError as error:
        raise UsageError(_explained(error)) from error


def starter_toml() -> str:
    """A settings file in which each setting is described, shown with its default and commented out."""
    parts = ["# Settings of dealcast. Arguments and DEALCAST_* environment variables go before this file.\n"]
    for name, field in Settings.model_fields.items():
        parts.append(f"# {field.description}\n# {name} = {_toml_value(name, field.default)}\n")
    return "\n".join(parts)


def _toml_value(name: str, default: Any) -> str:
    if default is None:
        examples = {
            "source": '"export"',
            "as_of": "2025-06-30",
            "audit_waivers": '"audit-waivers.toml"',
            "mlflow_tracking_uri": '"http://127.0.0.1:5000"',
            "reporting_currency": '"EUR"',
            "public_url": '"https://deals.example.com"',
            "oidc_issuer": '"https://login.example.com"',
            "oidc_client_id": '"dealcast"',
            "oidc_client_secret_file": '"/run/secrets/dealcast-client"',
            "bearer_audience": '"dealcast"',
            "mlflow_ui_url": '"http://127.0.0.1:5000"',
            "prefect_ui_url": '"http://127.0.0.1:4200"',
        }
        return examples[name]
    if isinstance(default, tuple):
        return "[]"
    return str(default) if isinstance(default, int | float) else f'"{default}"'


def _read_file(path: Path | None) -> dict[str, Any]:
    """The settings file's values; none where no file was named and none lies in the current folder."""
    file = path or Path(SETTINGS_FILE)
    if path is None and not file.is_file():
        return {}
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(
            f"{file}: no such settings file. `dealcast init` writes one to start from."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: expected TOML, found {error}. Correct that line.") from error
    _check_names(values, str(file))
    return values


def _check_names(values: dict[str, Any], place: str) -> None:
    known = list(Settings.model_fields)
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            remedy = f"Did you mean {near[0]!r}?" if near else f"Known settings: {', '.join(known)}."
            raise UsageError(f"{place}: no setting is called {name!r}. {remedy}")


def _explained(error: ValidationError) -> str:
    """All wrong settings in one message: name, what is expected, what was found, what it means."""
    lines = []
    for problem in error.errors(include_url=False):
        name = str(problem["loc"][0])
        field = Settings.model_fields.get(name)
        about = f" ({field.description})" if field else ""
        lines.append(f"setting {name!r}{about}: {problem['msg'].lower()}, found {problem['input']!r}.")
    return "\n".join([*lines, "Correct it in the argument, the environment or the settings file."])
