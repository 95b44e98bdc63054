"""What a sentence is read to say: by the shipped lexicon in plain cases, and by files of one's own."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from data.errors import SourceError
from data.signals import Lexicon, load_lexicon, signals_of
from data.signals.due import due_sql
from data.signals.tables import TEXT_KINDS

DAY = datetime(2026, 1, 20, 15, tzinfo=UTC)


@pytest.fixture(scope="module")
def shipped() -> Lexicon:
    return load_lexicon(None)


def _read(lexicon: Lexicon, *texts: str) -> list[list[dict[str, Any]]]:
    """What each text says."""
    given = {
        "id": [str(i) for i in range(len(texts))],
        "text": list(texts),
        "occurred_at": [DAY] * len(texts),
    }
    found: list[list[dict[str, Any]]] = [[] for _ in texts]
    for row in signals_of(pa.table(given), lexicon).to_pylist():
        found[int(row.pop("id"))].append(row)
    return found


def _signals(lexicon: Lexicon, *texts: str) -> list[list[str]]:
    return [[row["signal"] for row in rows] for rows in _read(lexicon, *texts)]


def _own(folder: Path, text: str) -> Path:
    file = folder / "own.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_shipped_lexicon_knows_every_kind_and_event(shipped: Lexicon) -> None:
    assert set(shipped.moments) == set(TEXT_KINDS)
    assert list(shipped.events) == ["promised", "rescheduled", "delivered", "withdrawn"]


SAID = {
    "They're struggling with three spreadsheets.": "problem_recognised",
    "HR is out of scope for now.": "scoping",
    "Maria is going to fight for the budget.": "budget_champion",
    "She could already imagine how her team would work with it.": "solution_visualised",
    "There is a long list of twelve vendors.": "long_list",
    "An RFI arrived from their purchasing department.": "outreach",
    "Good news, we made the short list.": "short_list",
    "The pilot with 20 users kicks off on Monday.": "proof_of_concept",
    "The CFO wants to see an ROI calculation.": "cost_benefit",
    "Next week it's a bake-off.": "bake_off",
    "Their lawyers sent back a marked up contract.": "negotiation",
    "The contract is with the CEO for signature.": "sign_off",
    "They are also talking to Northwind.": "competitor_mentioned",
    "They want benchmarks before they decide.": "metrics_requested",
    "Do you have a reference in the chemical industry?": "reference_requested",
    "They are afraid of being left behind.": "fomo",
    "This is business critical for the warehouse.": "mission_critical",
    "The CFO is fully behind the project.": "sponsor_backing",
    "IT security has concerns about the cloud.": "objection",
    "They agreed to become a design partner.": "beta_or_launch_partner",
    "The reference call took place and went well.": "reference_delivered",
    "They sent us a sample of their order data.": "data_shared",
    "A consultant from Deloitte accompanies the selection.": "advisor_involved",
}


def test_each_kind_is_read_from_a_plain_sentence(shipped: Lexicon) -> None:
    found = dict(zip(SAID, _signals(shipped, *SAID), strict=True))
    assert found == {text: [kind] for text, kind in SAID.items()}
    assert set(SAID.values()) == set(TEXT_KINDS)


@pytest.mark.parametrize("text", [
    "We are not looking at competitors.",
    "There's no competition in this deal.",
    "They never asked for a discount.",
    "A discount was never discussed.",
    "They decided without a pilot.",
    "Security concerns are not a topic here.",
    "If they ever look at a competitor, we'll hear about it.",
    "What would happen if the pilot failed?",
    "Is a competitor involved?",
    "> They asked for a discount.",
    "All fine.\n\nOn Mon, 5 Jan 2026 Jo wrote:\nWe want a discount.",
    "All fine.\n-----Original Message-----\nWe want a discount.",
    "All fine.\nFrom: Jo\nSent: Monday\nTo: Al\nWe want a discount.",
    "I will send the offer by Friday.",
    "The meeting was moved to Friday.",
    "They cancelled the call at short notice.",
    "Our consultant joined the call.",
])  # fmt: skip
def test_what_is_denied_asked_supposed_quoted_or_everyday_is_no_signal(shipped: Lexicon, text: str) -> None:
    assert _read(shipped, text) == [[]]


def test_a_negation_reaches_no_further_than_its_clause(shipped: Lexicon) -> None:
    texts = ("No news from legal, but they asked for a discount.", "They cannot do without it.")
    assert _signals(shipped, *texts) == [["negotiation"], ["mission_critical"]]


def test_the_first_sentence_that_says_so_is_the_evidence_and_long_ones_are_cut(shipped: Lexicon) -> None:
    text = "Hello. They asked for a discount. Then a rebate, they said." + " Again a discount" * 30
    assert [row["evidence"] for row in _read(shipped, text)[0]] == ["They asked for a discount."]
    (row,) = _read(shipped, "They asked for a discount" + " and waited" * 40)[0]
    assert len(row["evidence"]) == 300


def test_the_events_of_a_promise_meet_in_one_name(shipped: Lexicon) -> None:
    found = _read(
        shipped,
        "We promised them the “Multi-Currency” feature by end of March.",
        "Multi-currency slips again. New date: June.",
        "Multi-currency went live yesterday, as promised.",
        "Our multi-currency module will not be built.",
    )
    assert [[(row["signal"], row["feature"]) for row in rows] for rows in found] == [
        [(event, "multi currency")] for event in ("promised", "rescheduled", "delivered", "withdrawn")
    ]
    due = [rows[0]["due_at"] for rows in found]
    assert due == [datetime(2026, 3, 31, tzinfo=UTC), datetime(2026, 6, 30, tzinfo=UTC), None, None]


DUE = {
    "by 2026-03-15": "2026-03-15", "by 15.3.2026": "2026-03-15", "on 3/25/2026": "2026-03-25",
    "on 03/04/2026": "2026-04-03", "by March 15th, 2027": "2027-03-15", "by 3rd of January": "2027-01-03",
    "by 31 February": None, "by March": "2026-03-31", "before March": "2026-02-28", "mid-May": "2026-05-15",
    "it may come": None, "in three months": "2026-04-20", "within 6 weeks": "2026-03-03",
    "two weeks from now": "2026-02-03", "in half a year": "2026-07-20", "by Q3": "2026-09-30",
    "in Q4/26": "2026-12-31", "by 2027-Q1": "2027-03-31", "in the first half of next year": "2027-06-30",
    "next week": "2026-02-01", "next month": "2026-02-28", "by the end of the quarter": "2026-03-31",
    "EOY": "2026-12-31", "before summer": "2026-05-31", "this winter": "2026-02-28",
    "by Christmas": "2026-12-25", "with the next release": "2026-04-20", "by Tuesday": "2026-01-27",
    "now June instead of March": "2026-06-30", "from Q2 to Q3": "2026-09-30", "soon": None,
}  # fmt: skip


def test_dates_are_read_as_the_last_day_of_what_is_said(shipped: Lexicon) -> None:
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        con.register("said", pa.table({"text": list(DUE)}))
        due = due_sql("text", "DATE '2026-01-20'", shipped.due)
        found = con.execute(f"SELECT strftime({due}, '%Y-%m-%d') FROM said").fetchall()
    assert dict(zip(DUE, (row[0] for row in found), strict=True)) == DUE


def test_hostile_texts_are_read_to_the_cap_and_harm_nothing(shipped: Lexicon) -> None:
    texts = ("'); DELETE FROM texts; --", "a" * 100_000, "x\x1f\x00y".replace("\x00", ""), "((((" * 5_000)
    assert _signals(shipped, *texts) == [[]] * 4
    late = "Fine. " * 3_334 + "They asked for a discount."
    assert _signals(shipped, late, late[30:]) == [[], ["negotiation"]]


@pytest.mark.parametrize(("text", "said"), [
    ("[moments.fomo]\npatterns = ['(hype']", r"fomo\] patterns: the pattern '\(hype' is no"),
    ("[moments.fomoo]\npatterns = ['hype']", "moments has no part 'fomoo'. Did you mean"),
    ("[moments.fomo]\npattern = ['hype']", "has no part 'pattern'. Did you mean 'patterns'"),
    ("[moments.fomo]\npatterns = 'hype'", "expected a list of patterns, found 'hype'"),
    ("[moments.fomo]\npatterns = ['(?:hype)?']", "fits every text"),
    ("[moments.fomo]\npatterns = ['{hipe}']\n[words]\nhype = 'a'", r"\{hipe\} is no entry of \[words\]. Did"),
    ("[promises.promised]\npatterns = ['we will']", "is to name what was promised once"),
    ("[due.periods]\nsummer = ['June']", "expected two month-days"),
    ("[due.days]\nsoon = 'soon'", "expected a number of days"),
    ("moments = ", "expected TOML"),
])  # fmt: skip
def test_a_wrong_lexicon_is_refused_with_place_fault_and_remedy(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SourceError, match=said) as caught:
        load_lexicon(_own(tmp_path, text))
    assert "own.toml" in str(caught.value)


def test_a_lexicon_of_ones_own_reads_names_spaces_apostrophes_and_promises(tmp_path: Path) -> None:
    lexicon = load_lexicon(_own(tmp_path, """
[words]
rival = '(?:Vendix|Numera Systems)'
[moments.competitor_mentioned]
patterns = ["don't like {rival}"]
[promises.promised]
patterns = ['we owe them (?P<feature>[a-z ]+) by']
"""))  # fmt: skip
    found = _read(
        lexicon, "They don’t\nlike Numera Systems.", "We owe them single sign on by Q3.", "A rival."
    )
    assert [[(row["signal"], row["feature"]) for row in rows] for rows in found] == [
        [("competitor_mentioned", None)], [("promised", "single sign on")], [],
    ]  # fmt: skip
    assert lexicon.digest != load_lexicon(_own(tmp_path, "[words]\n")).digest
