"""CRM text as it may be shown: it is data, written by strangers, never an instruction to a terminal."""

import unicodedata

__all__ = ["printable"]

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def printable(value: object, *, longest: int = 200) -> str:
    """One line of visible text: line ends become spaces; control, escape and direction marks go.

    longest: characters kept; a longer text ends in an ellipsis. None becomes an empty text.

    >>> printable("Acme" + chr(27) + "[31m Ltd" + chr(10) + "won")
    'Acme[31m Ltd won'
    """
    if value is None:
        return ""
    spaced = " ".join(str(value).split())
    shown = "".join(sign for sign in spaced if unicodedata.category(sign) not in _HIDDEN)
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"
