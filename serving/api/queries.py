"""Queries made of the parameters of an address, by routes, pages and saved views alike."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from data.errors import UsageError

__all__ = ["Pairs", "made", "query_of"]

Query = TypeVar("Query", bound=BaseModel)
Pairs = Sequence[tuple[str, str]]


def query_of(kind: type[Query], pairs: Pairs) -> Query:
    """The query that the parameters make; those that may be given several times are gathered.

    Raises UsageError that names the first parameter that does not fit.
    """
    values: dict[str, Any] = {}
    for name, text in pairs:
        field = kind.model_fields.get(name)
        several = field is not None and isinstance(field.default, tuple)
        values[name] = (*values.get(name, ()), text) if several else text
    return made(kind, values)


def made(kind: type[Query], values: Mapping[str, Any]) -> Query:
    """The model of these values. Raises UsageError that names the first one that does not fit."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "request"
        raise UsageError(f"{where}: {first['msg'].removeprefix('Value error, ')}.") from error
