"""What people type, customers included: text from strangers, cleaned and bounded before it is kept."""

import unicodedata

from data.errors import UsageError

__all__ = ["LONGEST_NAME", "LONGEST_NOTE", "cleaned"]

LONGEST_NOTE = 2000
"""Characters of a note, or of what shows an answer."""
LONGEST_NAME = 120
"""Characters of a name."""

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn"}


def cleaned(text: str, what: str, *, longest: int, lines: bool = False, needed: bool = False) -> str:
    """The text without control, escape and direction marks, in composed form, blanks at its ends gone.

    lines: whether line ends stay; else they become spaces. Raises UsageError naming `what` if it is longer,
    or empty where it is needed.

    >>> cleaned(" Budget" + chr(0) + " is" + chr(0x202E) + " set ", "evidence", longest=20)
    'Budget is set'
    """
    if len(text) > 4 * longest:
        raise _too_long(what, longest, len(text))
    composed = unicodedata.normalize("NFC", text).replace("\t", " ")
    parts = composed.splitlines() if lines else [" ".join(composed.split())]
    kept = "\n".join("".join(filter(_is_visible, part)).rstrip() for part in parts).strip()
    if len(kept) > longest:
        raise _too_long(what, longest, len(kept))
    if needed and not kept:
        raise UsageError(f"{what}: expected a text, found none. Type one.")
    return kept


def _is_visible(sign: str) -> bool:
    return unicodedata.category(sign) not in _HIDDEN


def _too_long(what: str, longest: int, found: int) -> UsageError:
    return UsageError(f"{what}: expected at most {longest:,} characters, found {found:,}. Shorten the text.")
