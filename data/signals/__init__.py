"""What activity texts tell: moments and promises, found by a lexicon that users can edit.

lexicon    the file: patterns per kind, negation, quotation, how dates are said; checked when it is read
matching   the SQL that reads texts by it
due        the SQL that reads dates
derive     the rows in the warehouse, by version of an activity and with what takes their place
tables     the two tables that hold them
"""

from data.signals.derive import derive_signals, signals_of
from data.signals.lexicon import Lexicon, load_lexicon

__all__ = ["Lexicon", "derive_signals", "load_lexicon", "signals_of"]
