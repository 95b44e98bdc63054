"""CRM text cannot steer a terminal."""

from serving.text import printable


def test_escape_sequences_and_line_ends_are_gone() -> None:
    assert printable("\x1b[2J\x1b]0;title\x07won\r\nlost") == "[2J]0;titlewon lost"


def test_marks_that_turn_the_reading_direction_are_gone() -> None:
    assert printable("abc\u202edef") == "abcdef"


def test_long_text_is_cut_with_an_ellipsis() -> None:
    assert printable("x" * 300, longest=10) == "xxxxxxxxx…"


def test_other_scripts_stay() -> None:
    assert printable("Zürich 株式会社") == "Zürich 株式会社"
