"""When something is due, as a sentence says it: dates, months, quarters, spans, and days with names.

A period means its last day ("by Q3": the last day of the third quarter), "before" a period the day before
its first; "early" and "mid" cut it at a third and a half. What says no year is the next such period that has
not ended on the day of the activity. The result is that day's midnight, UTC, as a date in a source would be.
"""

from data.names import literal
from data.signals.lexicon import Due

__all__ = ["due_sql"]

_MONTHS = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    "nov(?:ember)?|dec(?:ember)?"
)
_ANY_MONTH = rf"(?:{_MONTHS}|may)\.?"
_NAMES = "['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']"
_COUNTS = (
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_YEAR = r"(?:,? (?:of )?(20\d\d|this year|next year)\b|[ /-]?['’]?(\d\d)\b)?"
_PART = (
    r"(?:(before|ahead of|prior to) |(early|beginning of|start of)(?: in)? |(mid)(?:dle of)?[- ]|"
    r"(?:the )?(?:very )?(?:end|close) of (?:the )?|late(?: in)? )?(?:the )?"
)
_OLD = (
    r"(?:instead of|rather than|and not|originally(?: \w+)?|previously|formerly|was|from|not|no longer) "
    r"(?:(?:in|by|for|due|planned|on|the|end of|early|mid|late) )*"
)


def due_sql(sentence: str, day: str, due: Due) -> str:
    """The SQL for the instant (TIMESTAMPTZ) by which the sentence says something is due, null if it does not.

    sentence, day: SQL of the text and of the activity's date.
    """
    # a date that is given up ("instead of March") is no due date
    when = rf"(?:q[1-4]|h[12]|{_ANY_MONTH}|20\d\d-\d\d-\d\d|next \w+|the \w+ quarter)\b"
    text = f"regexp_replace(lower(replace({sentence}, '’', '''')), {literal(_OLD + when)}, ' ', 'g')"
    forms = (
        *_dates(day, due.day_first), _quarter(day), _half(day), _month(day), *_periods(day, due), _span(day),
        *_days(day, due), *_relative(day), _weekday(day), _year(day),
    )  # fmt: skip
    found = f"list_transform([{text}], t -> coalesce({', '.join(forms)}))[1]"
    return f"(CAST({found} AS TIMESTAMP) AT TIME ZONE 'UTC')"


def _x(pattern: str, group: int = 0) -> str:
    return f"regexp_extract(t, {literal(pattern)}, {group})"


def _there(pattern: str) -> str:
    return f"regexp_matches(t, {literal(pattern)})"


def _word(pattern: str) -> str:
    return rf"\b(?:{pattern})\b"


def _date(year: str, month: str, day: str) -> str:
    return f"TRY_CAST(concat({year}, '-', {month}, '-', {day}) AS DATE)"


def _month_number(name: str) -> str:
    return f"list_position({_NAMES}, left({name}, 3))"


def _dates(day: str, day_first: bool) -> tuple[str, ...]:
    """2026-03-15, 15.3.2026, 3/15/2026, 15 March (2026), March 15th(, 2026)."""
    iso = r"\b20\d\d-\d{1,2}-\d{1,2}"
    numeric = r"\b(\d{1,2})[./](\d{1,2})[./](20\d\d|\d\d)\b"
    a, b, y = (_x(numeric, i) for i in (1, 2, 3))
    year = f"if(length({y}) = 2, concat('20', {y}), {y})"
    orders = (_date(year, b, a), _date(year, a, b))
    slashed = orders if day_first else orders[::-1]
    dotted = orders[0]
    day_month = rf"\b(\d{{1,2}})(?:st|nd|rd|th)?\.?(?: of)? ({_ANY_MONTH})(?:,? (20\d\d))?"
    month_day = rf"\b({_ANY_MONTH}) (\d{{1,2}})(?:st|nd|rd|th)?\b(?:,? (20\d\d)\b)?"
    return (
        f"TRY_CAST({_x(iso)} AS DATE)",
        f"if({_there(numeric)}, if({_there(numeric.replace('[./]', '[.]'))}, {dotted}, "
        f"coalesce({', '.join(slashed)})), NULL)",
        _upcoming_date(day, _x(day_month, 3), _month_number(_x(day_month, 2)), _x(day_month, 1)),
        _upcoming_date(day, _x(month_day, 3), _month_number(_x(month_day, 1)), _x(month_day, 2)),
    )


def _upcoming_date(day: str, year: str, month: str, of_month: str) -> str:
    """The date in that year; without a year, the next such date from the day on."""
    this, following = (_date(f"year({day}) + {n}", month, of_month) for n in (0, 1))
    return (
        f"if({year} <> '', {_date(year, month, of_month)}, if({this} >= {day}, {this}, "
        f"if({this} IS NULL AND {month} IS NULL, NULL, {following})))"
    )


def _period(
    day: str, first_month: str, months: int, year: str, short_year: str, part: int, pattern: str
) -> str:
    """The due day of a period of months: its last, the one before its first, or a part of it.

    year: '', a number, "this year" or "next year". part: the group of `before`, then `early`, then `mid`.
    """
    number = (
        f"CASE {year} WHEN 'this year' THEN year({day}) WHEN 'next year' THEN year({day}) + 1 "
        f"ELSE coalesce(TRY_CAST({year} AS INT), TRY_CAST('20' || nullif({short_year}, '') AS INT)) END"
    )
    ends = f"(make_date(year({day}), {first_month}, 1) + INTERVAL {months} MONTH - INTERVAL 1 DAY)"
    first = f"make_date(coalesce({number}, year({day}) + if({ends} < {day}, 1, 0)), {first_month}, 1)"
    before, early, mid = (_x(pattern, part + i) for i in range(3))
    half = f"INTERVAL {14 if months == 1 else round(30.4 * months / 2)} DAY"
    third = f"INTERVAL {9 if months == 1 else round(30.4 * months / 3)} DAY"
    return (
        f"if({_there(pattern)}, CAST(CASE WHEN {before} <> '' THEN {first} - INTERVAL 1 DAY "
        f"WHEN {early} <> '' THEN {first} + {third} WHEN {mid} <> '' THEN {first} + {half} "
        f"ELSE {first} + INTERVAL {months} MONTH - INTERVAL 1 DAY END AS DATE), NULL)"
    )


def _quarter(day: str) -> str:
    spelled = rf"\b{_PART}(?:q([1-4])|(first|second|third|fourth|last|1st|2nd|3rd|4th) quarter){_YEAR}"
    number = (
        f"if({_x(spelled, 4)} <> '', TRY_CAST({_x(spelled, 4)} AS INT), CASE {_x(spelled, 5)} "
        "WHEN 'first' THEN 1 WHEN '1st' THEN 1 WHEN 'second' THEN 2 WHEN '2nd' THEN 2 WHEN 'third' THEN 3 "
        "WHEN '3rd' THEN 3 ELSE 4 END)"
    )
    reverse = r"\b(20\d\d)[ /-]?q([1-4])\b"
    ends = f"CAST(make_date(TRY_CAST({_x(reverse, 1)} AS INT), 3 * TRY_CAST({_x(reverse, 2)} AS INT), 1)"
    plain = _period(day, f"(3 * {number} - 2)", 3, _x(spelled, 6), _x(spelled, 7), 1, spelled)
    return f"if({_there(reverse)}, {ends} + INTERVAL 1 MONTH - INTERVAL 1 DAY AS DATE), {plain})"


def _half(day: str) -> str:
    spelled = rf"\b{_PART}(?:h([12])|(first|second|1st|2nd) half(?: of (?:the )?year)?){_YEAR}"
    first = f"if({_x(spelled, 4)} = '2' OR {_x(spelled, 5)} IN ('second', '2nd'), 7, 1)"
    return _period(day, first, 6, _x(spelled, 6), _x(spelled, 7), 1, spelled)


def _month(day: str) -> str:
    parts = (
        r"(?:(before|ahead of|prior to)|(early(?: in)?|beginning of|start of)|(mid)(?:dle of)?|"
        r"end of|close of|late|late in|in|by|until|till|for|during|of|around|towards?|within)[- ]"
    )
    loose = r"(?:this|next|now|to|is|expected|from|:|,|then|due|and|maybe|probably) "
    pattern = rf"\b(?:{parts}({_ANY_MONTH})|{loose}({_MONTHS}))\b{_YEAR}"
    name = f"if({_x(pattern, 4)} <> '', {_x(pattern, 4)}, {_x(pattern, 5)})"
    return _period(day, _month_number(name), 1, _x(pattern, 6), _x(pattern, 7), 1, pattern)


def _periods(day: str, due: Due) -> tuple[str, ...]:
    """The lexicon's own periods of a year, such as summer and Christmas."""
    found = []
    for pattern, (begins, ends) in due.periods.items():
        said = rf"\b(?:(before|ahead of|prior to) )?(?:the )?(?:{pattern})\b{_YEAR}"
        year = (
            f"coalesce(TRY_CAST({_x(said, 2)} AS INT), year({day}) + if({_x(said, 2)} = 'next year', 1, 0))"
        )
        wraps = int(ends < begins)
        # the period that has not ended: of one over New Year it may have begun the year before
        last = _date(year, literal(ends[:2]), literal(ends[3:]))
        late = f"if({last} < {day} AND {_x(said, 2)} = '', 1, 0)"
        late = f"if({_x(said, 2)} = '', {late} - 1, 0)" if wraps else late
        start = _date(f"{year} + {late}", literal(begins[:2]), literal(begins[3:]))
        end = _date(f"{year} + {wraps} + {late}", literal(ends[:2]), literal(ends[3:]))
        day_before = f"CAST({start} - INTERVAL 1 DAY AS DATE)"
        found.append(f"if({_there(said)}, if({_x(said, 1)} <> '', {day_before}, {end}), NULL)")
    return tuple(found)


def _span(day: str) -> str:
    """In three months, within 6 weeks, two weeks from now."""
    count = rf"(\d{{1,3}}|an?|half an?|a couple of|a few|{'|'.join(_COUNTS)})"
    unit = r"(?:more |further |additional |working |business )?(day|week|month|quarter|year)s?"
    lead = (
        r"(?:in|within|inside|over the next|the next|another|takes?|needs?|give us|at most|no later than|for)"
        r"(?: (?:about|around|roughly|approximately|some|another|at most|less than|the (?:next|coming)))*"
    )
    patterns = (rf"\b{lead} {count} {unit}\b", rf"\b{count} {unit}'? (?:from (?:now|today)|time|out)\b")
    forms = []
    for pattern in patterns:
        n, of = _x(pattern, 1), _x(pattern, 2)
        words = f"list_position([{', '.join(literal(word) for word in _COUNTS)}], {n})"
        number = (
            f"coalesce(TRY_CAST({n} AS INT), {words}, CASE WHEN {n} = 'a couple of' THEN 2 "
            f"WHEN {n} = 'a few' THEN 3 ELSE 1 END)"
        )
        length = (
            f"CASE WHEN {n} LIKE 'half%' AND {of} = 'year' THEN INTERVAL 6 MONTH "
            f"WHEN {of} = 'day' THEN to_days({number}) WHEN {of} = 'week' THEN to_days(7 * {number}) "
            f"WHEN {of} = 'month' THEN to_months({number}) "
            f"WHEN {of} = 'quarter' THEN to_months(3 * {number}) "
            f"ELSE to_years({number}) END"
        )
        forms.append(f"if({_there(pattern)}, CAST({day} + {length} AS DATE), NULL)")
    return f"coalesce({', '.join(forms)})"


def _days(day: str, due: Due) -> tuple[str, ...]:
    """The lexicon's own spans, such as the next release."""
    return tuple(
        f"if({_there(_word(pattern))}, CAST({day} + INTERVAL {days} DAY AS DATE), NULL)"
        for pattern, days in due.days.items()
    )


def _relative(day: str) -> tuple[str, ...]:
    """Tomorrow; this or next week, month, quarter or year, to its last day; end of the quarter."""
    unit = r"(?:fiscal |financial |calendar |business )?(week|month|quarter|year)"
    following = rf"\b(?:next|coming|following|upcoming) {unit}\b"
    present = (
        rf"\b(?:(?:end|close|rest|course) of (?:the |this )?|this |current |later this ){unit}\b",
        r"\b(week|month|quarter|year)[- ]end\b",
    )
    short = r"\beo(w|m|q|y)\b"
    spelled = (
        f"CASE {_x(short, 1)} WHEN 'w' THEN 'week' WHEN 'm' THEN 'month' WHEN 'q' THEN 'quarter' "
        "ELSE 'year' END"
    )
    return (
        f"if({_there(_word('tomorrow'))}, CAST({day} + INTERVAL 1 DAY AS DATE), NULL)",
        _last_day(following, _x(following, 1), day, 1),
        *(_last_day(pattern, _x(pattern, 1), day, 0) for pattern in present),
        _last_day(short, spelled, day, 0),
    )


def _last_day(pattern: str, unit: str, day: str, ahead: int) -> str:
    cases = " ".join(
        f"WHEN '{name}' THEN date_trunc('{name}', {day}) + INTERVAL {ahead + 1} {name.upper()}"
        if name != "quarter"
        else f"WHEN 'quarter' THEN date_trunc('quarter', {day}) + INTERVAL {3 * (ahead + 1)} MONTH"
        for name in ("week", "month", "quarter", "year")
    )
    return f"if({_there(pattern)}, CAST(CASE {unit} {cases} END - INTERVAL 1 DAY AS DATE), NULL)"


def _weekday(day: str) -> str:
    """By Friday: the next Friday after the day."""
    pattern = rf"\b(?:by|on|until|till|next|this|before|coming) ({'|'.join(_WEEKDAYS)})\b"
    number = f"list_position([{', '.join(literal(name) for name in _WEEKDAYS)}], {_x(pattern, 1)})"
    ahead = f"CAST((({number} - isodow({day}) + 6) % 7 + 1) AS INT)"
    return f"if({_there(pattern)}, CAST({day} + to_days({ahead}) AS DATE), NULL)"


def _year(day: str) -> str:
    pattern = r"\b(?:(before|ahead of|prior to)|in|by|during|until|of|for|end|late|mid|early) (20\d\d)\b"
    year = f"TRY_CAST({_x(pattern, 2)} AS INT)"
    before = f"if({_x(pattern, 1)} <> '', 1, 0)"
    return f"if({_there(pattern)} AND {day} IS NOT NULL, make_date({year} - {before}, 12, 31), NULL)"
