"""What a page's address asks for, and addresses that ask for a little else."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from data.errors import UsageError

__all__ = ["Pairs", "address", "given", "made", "pairs_of", "query_of", "sort_links"]

Query = TypeVar("Query", bound=BaseModel)
Pairs = Sequence[tuple[str, str]]


def pairs_of(request: Request) -> list[tuple[str, str]]:
    """The address's parameters that say something; a form sends its empty fields too."""
    return [(name, text) for name, text in request.query_params.multi_items() if text.strip()]


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


def address(path: str, pairs: Pairs, **changes: str) -> str:
    """The path with the parameters, some of them replaced.

    >>> address("/deals", [("q", "a b"), ("sort", "name")], sort="-name"), address("/deals", [])
    ('/deals?q=a+b&sort=-name', '/deals')
    """
    held = [*((name, text) for name, text in pairs if name not in changes), *changes.items()]
    return f"{path}?{urlencode(held)}" if held else path


def given(pairs: Pairs, *, without: Collection[str] = ("sort", "limit", "cursor")) -> bool:
    """Whether the parameters hold a filter."""
    return any(name not in without for name, _ in pairs)


def sort_links(
    path: str, pairs: Pairs, sort: str, columns: Sequence[tuple[str, str, str]], allowed: Collection[str]
) -> list[Mapping[str, str]]:
    """A table's heads: title, kind, link ("" where it cannot be sorted by), order (of the column it is by).

    columns: the order that a first click gives ("-" for descending), title, kind.
    """
    made: list[Mapping[str, str]] = []
    for first, title, kind in columns:
        name = first.lstrip("-")
        order = "" if sort.lstrip("-") != name else "descending" if sort.startswith("-") else "ascending"
        turned = name if order == "descending" else f"-{name}" if order == "ascending" else first
        link = address(path, pairs, sort=turned) if turned in allowed else ""
        made.append({"title": title, "kind": kind, "link": link, "order": order})
    return made
