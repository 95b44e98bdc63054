"""Requests made up from the API's description: none breaks the server, every answer is what was described."""

from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from serving.access.actor import OWNER, Identity
from serving.app import create_app
from tests.serving.access_world import URL, Client
from tests.serving.access_world import settings as server_settings

CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
]  # fmt: skip
FEW = settings(
    max_examples=15, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def app(served: Path, tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    workspace = tmp_path_factory.mktemp("served") / "workspace"
    copytree(served, workspace, ignore=ignore_patterns("*.duckdb", "mlartifacts"))
    return create_app(server_settings(workspace, rate_limit_per_minute=1_000_000))


def a_user(role: str) -> Identity:
    """A user of the simulated CRM."""
    return Identity(subject=role, name=role, roles=frozenset({role}), via="sign-in", user_id="U0000001")


@pytest.mark.parametrize("identity", [OWNER, a_user("rep"), a_user("finance")], ids=["ops", "rep", "finance"])
def test_whatever_is_asked_the_api_answers_as_described(app: FastAPI, identity: Identity) -> None:
    headers = session_of(app, identity)
    real = {"opportunity_id": app.state.live.run().deals.ids[0], "contract_id": a_contract(app)}
    described = schemathesis.openapi.from_asgi("/openapi.json", app, headers=headers)
    found = [
        (operation.ok(), problem)
        for operation in described.include(path_regex="^/api/").get_all_operations()
        if (problem := broken_by(operation.ok(), headers, real)) is not None
    ]
    assert not found, "\n\n".join(f"{operation.label}: {problem}" for operation, problem in found)


def a_contract(app: FastAPI) -> str:
    ids: list[str] = app.state.live.run().table("renewal_scores.parquet")["contract_id"].to_pylist()
    return ids[0]


def broken_by(operation: Any, headers: dict[str, str], real: dict[str, str]) -> str | None:
    """What a request made up for the operation breaks; None if none of them does."""

    @FEW
    @given(case=operation.as_strategy(), of_a_real_one=st.booleans())
    def asked(case: Any, of_a_real_one: bool) -> None:
        if of_a_real_one:
            for name in set(case.path_parameters or {}) & set(real):
                case.path_parameters[name] = real[name]
        case.call_and_validate(headers=headers, checks=CHECKS)

    try:
        asked()
    except (FailureGroup, AssertionError) as error:
        return "; ".join(str(one) for one in getattr(error, "exceptions", [error]))
    return None


def session_of(app: FastAPI, identity: Identity) -> dict[str, str]:
    """The headers of a browser with a session of theirs."""
    held = Client(app, identity).cookies
    cookies = "; ".join(f"{name}={value}" for name, value in held.items())
    return {"Cookie": cookies, "Origin": URL, "Host": URL.partition("//")[2]}
