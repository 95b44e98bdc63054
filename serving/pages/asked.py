"""What a page's address asks for, and addresses that ask for a little else."""

from collections.abc import Collection, Mapping, Sequence
from urllib.parse import urlencode

from starlette.requests import Request

from serving.api.queries import Pairs

__all__ = ["address", "given", "pairs_of", "sort_links"]


def pairs_of(request: Request) -> list[tuple[str, str]]:
    """The address's parameters that say something; a form sends its empty fields too."""
    return [(name, text) for name, text in request.query_params.multi_items() if text.strip()]


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
