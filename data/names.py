"""Names and texts inside SQL that the engine cannot take as parameters."""

__all__ = ["literal", "quoted"]


def quoted(identifier: str) -> str:
    """The identifier in double quotes, safe whatever it contains.

    >>> print(quoted('x"; DROP TABLE deals'))
    "x""; DROP TABLE deals"
    """
    return '"' + identifier.replace('"', '""') + '"'


def literal(value: object) -> str:
    """The value's text in single quotes, safe whatever it contains.

    >>> print(literal("it's"))
    'it''s'
    """
    return "'" + str(value).replace("'", "''") + "'"
