"""The description of the API is agreed on: programs of others are written against it.

To change it: change the code, run this file with RENEW_OPENAPI=1 in the environment
(`RENEW_OPENAPI=1 .venv/bin/pytest tests/serving/test_api_openapi.py`), and read the diff.
"""

import os
from pathlib import Path
from typing import Any

import orjson
import pytest
from fastapi import FastAPI

from serving.app import create_app
from tests.serving.access_world import settings

OF_A_RUN = {"about", "changes", "deals", "forecast", "models", "renewals", "score"}
"""What people answer and dispute belongs to no run."""
GOLDEN = Path(__file__).with_name("openapi.json")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    return create_app(settings(tmp_path_factory.mktemp("described")))


@pytest.fixture(scope="module")
def described(app: FastAPI) -> dict[str, Any]:
    held = orjson.loads(orjson.dumps(app.openapi()))
    held["paths"] = {path: one for path, one in held["paths"].items() if path.startswith("/api/")}
    return held


def test_the_api_is_described_as_agreed(described: dict[str, Any]) -> None:
    text = orjson.dumps(described, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"
    if os.environ.get("RENEW_OPENAPI"):
        GOLDEN.write_bytes(text)
    assert GOLDEN.read_bytes() == text, (
        "The API's description differs from tests/serving/openapi.json. If that is meant: "
        "RENEW_OPENAPI=1 .venv/bin/pytest tests/serving/test_api_openapi.py, and read the diff."
    )


def operations(described: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", one)
        for path, methods in described["paths"].items()
        for method, one in methods.items()
    ]


def test_every_operation_says_what_it_does_and_how_it_fails(described: dict[str, Any]) -> None:
    for name, one in operations(described):
        assert one.get("description"), name
        assert one.get("tags"), name
        assert one["responses"]["4XX"]["content"]["application/json"]["schema"]["$ref"].endswith(
            "ErrorAnswer"
        ), name


def test_every_answer_has_a_model_or_is_a_file(described: dict[str, Any]) -> None:
    for name, one in operations(described):
        good = [answer for status, answer in one["responses"].items() if status.startswith("2")]
        assert good, name
        for answer in good:
            for kind, content in answer.get("content", {}).items():
                assert content.get("schema") or kind != "application/json", name


def test_every_answer_about_a_run_is_stamped_with_it(described: dict[str, Any]) -> None:
    schemas = described["components"]["schemas"]
    for name, one in operations(described):
        if name.rpartition("/")[2] in ("health", "filters") or not OF_A_RUN & set(one["tags"]):
            continue
        for status, answer in one["responses"].items():
            ref = answer.get("content", {}).get("application/json", {}).get("schema", {}).get("$ref")
            if not status.startswith("2") or ref is None:
                continue
            fields = schemas[ref.rpartition("/")[2]]["properties"]
            assert {"run_id", "as_of", "model_version"} <= set(fields), name


def test_bodies_take_no_field_that_is_not_theirs(described: dict[str, Any]) -> None:
    schemas = described["components"]["schemas"]
    for name, one in operations(described):
        schema = one.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        if schema is None:
            continue
        held = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        for body in held.get("oneOf", [held]):
            assert body.get("additionalProperties") is False, name
