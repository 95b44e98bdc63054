"""SQL that reads texts by a lexicon: into sentences, and from sentences into signals.

A sentence is matched whole. Before a match, a negation within the clause and a few words undoes it; so does
one inside it, or right behind it. What is quoted from an earlier mail is left out before anything is read.
"""
# ruff: noqa: S608 -- the parts come from this module or are literals

from data.names import literal
from data.signals.due import due_sql
from data.signals.lexicon import Lexicon, Rule

__all__ = ["UNNAMED", "moments_sql", "promises_sql", "sentences_sql"]

UNNAMED = "unnamed feature"
"""The name of what was promised where the sentence says only "it"."""

_LONGEST_TEXT = 20_000
_LONGEST_EVIDENCE = 300
_BREAK = "chr(31)"
_WRAPPED = r"([a-z0-9,])[ \t]*\r?\n[ \t]*([a-z])"
_SPLIT = r"""([.!?;]+["'”’)\]]*)\s+|,?\s+(but\s)|\s*[\r\n]+\s*"""
_DATED = (
    r"(?i)^(?:now|new|revised|expect|it|they|eta|the new|due|planned|target|delivery|by|in|next|until|"
    r"probably|likely|should|will|we (?:now )?(?:said|say|expect|plan|aim|target))\b.*"
)
"""How a sentence begins that may say by when, after one that did not."""
_KEY = "activity_id, opportunity_id, occurred_at, known_at"


def sentences_sql(texts: str, lexicon: Lexicon) -> str:
    """A SELECT of the sentences that may hold a signal: the key, `place` in the text, `sentence`, the one
    `following` it, and `flags`, a bit for each signal in the lexicon's order that it may hold.

    texts: a relation with activity_id, opportunity_id, occurred_at, known_at, subject and body.
    """
    flags = " + ".join(
        f"if(regexp_matches(sentence, {literal(_any(rule.hints))}), {1 << bit}, 0)"
        for bit, rule in enumerate((*lexicon.moments.values(), *lexicon.events.values()))
    )
    return f"""
        SELECT *, {flags} AS flags FROM (
            SELECT {_KEY}, unnest(parts) AS sentence, unnest(parts[2:] || ['']) AS following,
                generate_subscripts(parts, 1) AS place
            FROM (
                SELECT {_KEY}, string_split({_marked(lexicon)}, {_BREAK}) AS parts FROM (
                    SELECT {_KEY}, {_unquoted(lexicon)} AS text FROM (
                        SELECT {_KEY}, left(concat_ws(
                            chr(10) || {_BREAK} || chr(10), subject, body
                        ), {_LONGEST_TEXT}) AS text FROM {texts}
                    )
                )
            )
        ) WHERE length(sentence) > 2 AND flags <> 0
    """


def moments_sql(sentences: str, kind: str, lexicon: Lexicon) -> str:
    """A SELECT of one row per activity that speaks of the kind: the key, kind and evidence."""
    return f"""
        SELECT {_KEY}, {literal(kind)} AS kind,
            left(arg_min(trim(sentence), place), {_LONGEST_EVIDENCE}) AS evidence
        FROM ({_standing(sentences, lexicon.moments[kind], lexicon)}) GROUP BY ALL
    """


def promises_sql(sentences: str, event: str, lexicon: Lexicon) -> str:
    """A SELECT of one row per activity and feature of the event: the key, feature, event, evidence, due_at.

    Of the names that the patterns find in a sentence the first pattern's counts that is a feature's,
    and "it" only where no pattern finds another.
    """
    rule = lexicon.events[event]
    named = ", ".join(
        f"regexp_extract(sentence, {literal('(?i)' + pattern)}, 1)"
        for pattern in (*rule.patterns, *rule.always)
    )
    said = f"concat_ws('; ', sentence, nullif(regexp_extract(following, {literal(_DATED)}), ''))"
    day = "CAST(coalesce(occurred_at, known_at) AT TIME ZONE 'UTC' AS DATE)"
    return f"""
        SELECT {_KEY}, feature, {literal(event)} AS event,
            left(arg_min(trim(sentence), place), {_LONGEST_EVIDENCE}) AS evidence,
            arg_min_null({due_sql("said", day, lexicon.due)}, place) AS due_at
        FROM (
            SELECT {_KEY}, place, sentence, said, arg_min(
                feature, nth + if(feature = {literal(UNNAMED)}, 1000, 0)
            ) AS feature FROM (
                SELECT * EXCLUDE (name), {_plain("name", lexicon)} AS feature FROM (
                    SELECT {_KEY}, place, sentence, {said} AS said, unnest([{named}]) AS name,
                        generate_subscripts([{named}], 1) AS nth
                    FROM ({_standing(sentences, rule, lexicon)})
                ) WHERE name <> ''
            ) WHERE feature IS NOT NULL GROUP BY ALL
        ) GROUP BY ALL
    """


def _any(patterns: tuple[str, ...]) -> str:
    """One expression for all the patterns, without their groups."""
    return f"(?i)(?:{'|'.join(patterns)})".replace("(?P<feature>", "(?:") if patterns else r"[^\s\S]"


def _unquoted(lexicon: Lexicon) -> str:
    """The text without quoted lines and without what follows the head of a quoted mail."""
    lines, rest = literal(lexicon.quoted_lines), literal(f"(?s){lexicon.quoted_rest}.*")
    cut = f"CASE WHEN regexp_matches(text, {rest}) THEN regexp_replace(text, {rest}, '') ELSE text END"
    return (
        f"CASE WHEN regexp_matches(text, {lines}) THEN regexp_replace({cut}, {lines}, '', 'g') ELSE {cut} END"
    )


def _marked(lexicon: Lexicon) -> str:
    """The text with a break between sentences: lines wrapped within one joined, abbreviations kept whole."""
    short = rf"(?i)\b({lexicon.abbreviations})\.\s+"
    unwrapped = f"regexp_replace(text, {literal(_WRAPPED)}, '\\1 \\2', 'g')"
    joined = f"CASE WHEN contains(text, chr(10)) THEN {unwrapped} ELSE text END"
    whole = f"regexp_replace({joined}, {literal(short)}, '\\1 ', 'g')"
    return f"regexp_replace({whole}, {literal(_SPLIT)}, '\\1' || {_BREAK} || '\\2', 'g')"


def _standing(sentences: str, rule: Rule, lexicon: Lexicon) -> str:
    """A SELECT of the sentences, all of which may hold the signal, in which the rule holds."""
    always, both = _any(rule.always), _any(rule.patterns + rule.always)
    asked = "false" if rule.questions else f"regexp_matches(sentence, {literal(lexicon.questions)})"
    unless = f"regexp_matches(sentence, {literal(_any(rule.unless))})"
    clause = f"regexp_replace(before, {literal(f'(?s)^.*{lexicon.clause}')}, ' ')"
    behind = "substr(sentence, length(before) + length(said) + 1)"
    negated = (
        f"regexp_matches({clause}, {literal(lexicon.negation_before)}) "
        f"OR (regexp_matches(said, {literal(lexicon.negation_inside)}) "
        f"AND NOT regexp_matches(said, {literal(_any(rule.negative))})) "
        f"OR regexp_matches({behind}, {literal(lexicon.negation_after)})"
    )
    # where a match begins is looked up by its text: a group in front of the patterns costs ten times as much
    return f"""
        SELECT * EXCLUDE (before, said) FROM (
            SELECT *, left(sentence, strpos(sentence, said) - 1) AS before FROM (
                SELECT *, regexp_extract(sentence, {literal(both)}) AS said FROM {sentences}
                WHERE regexp_matches(sentence, {literal(both)})
                    AND NOT {unless} AND NOT {asked}
            )
        ) WHERE NOT regexp_matches(before, {literal(lexicon.hypothetical)})
            AND (regexp_matches(sentence, {literal(always)}) OR NOT ({negated}))
    """


def _plain(found: str, lexicon: Lexicon) -> str:
    """What was promised, in plain lower-case words; null where that is no feature, or nothing was found.

    Quotes, articles and words that only lead to it or trail behind it go; a pronoun becomes `UNNAMED`.
    """
    words = lexicon.promised
    lower = f"lower(replace(replace({found}, '’', ''''), '-', ' '))"
    steps = (
        (r"""["'“”‘()\[\]]|^\s+""", " ", "g"),
        (rf"(?s)^.*\b{words.leading}\s+", "", ""),
        (rf"^\s*(?:{words.articles}\s+)+", "", ""),
        (rf"(?:\s+{words.trailing})+\s*$", "", ""),
        (r"[\s.,;:!?]+", " ", "g"),
    )
    for pattern, by, options in steps:
        extra = f", {literal(options)}" if options else ""
        lower = f"regexp_replace({lower}, {literal(pattern)}, {literal(by)}{extra})"
    pronoun, other = literal(rf"^(?:{words.pronouns})$"), literal(rf"\b(?:{words.not_features})$")
    return (
        f"list_transform([trim({lower})], f -> CASE WHEN f = '' THEN NULL "
        f"WHEN regexp_matches(f, {pronoun}) THEN {literal(UNNAMED)} "
        f"WHEN regexp_matches(f, {other}) THEN NULL ELSE f END)[1]"
    )
