"""The report says what the figures say, and nothing in the data can become markup."""

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa

from models.baselines import BASELINES
from models.charts import evaluation_charts
from models.evaluation import evaluate
from models.report import render_report
from models.split import Split, Window

AT = datetime(2025, 7, 1, tzinfo=UTC)


def _evaluation(p, y, stage="early", version="win-1"):
    n = len(y)
    instant = pa.timestamp("us", "UTC")
    frame = pa.table(
        {
            "opportunity_id": [f"d{i}" for i in range(n)],
            "as_of": pa.array([AT - timedelta(days=9)] * n, instant),
            "stage": [stage] * n,
            "deal_age_days": [5.0] * n,
        }
    )
    labels = frame.select(["opportunity_id", "as_of"]).append_column("y", pa.array(y, pa.int8()))
    labels = labels.append_column("closed_at", pa.array([AT - timedelta(days=1)] * n, instant))
    none, every = np.zeros(n, dtype=bool), np.ones(n, dtype=bool)
    before = Window(AT, AT, none, none)
    return evaluate(
        frame,
        labels,
        split=Split(AT, before, before, Window(AT - timedelta(days=10), AT, every, every), None),
        weight=np.ones(n),
        p_win=p,
        baselines={name: np.full(n, 0.5) for name in BASELINES},
        model_version=version,
        replicates=50,
    )


def _world(n=300):
    rng = np.random.default_rng(0)
    p = 1 / (1 + np.exp(-rng.normal(0, 1.5, n)))
    return p, (rng.random(n) < p).astype(np.int8)


def _text(page):
    words = []
    parser = HTMLParser()
    parser.handle_data = words.append
    parser.feed(page)
    return " ".join(" ".join(words).split())


def test_the_report_tells_headline_scores_charts_slices_and_windows():
    p, y = _world()
    found = _evaluation(p, y)
    page = render_report(
        found.document,
        charts=evaluation_charts(found.predictions, found.document),
        decision=(True, ("It beats them.",)),
    )
    said = _text(page)
    assert found.document["headline"] in said
    assert "Promoted to champion. It beats them." in said
    assert f"{found.document['metrics']['win']['auc']:.3f}" in said
    for words in ("Logistic regression", "By stage", "early", "2 to under 7", "Outcomes known by"):
        assert words in said
    assert page.count("<svg") == 3


def test_a_model_without_skill_is_said_to_have_none_at_the_top():
    p, y = _world()
    found = _evaluation(np.random.default_rng(2).permutation(p), y)
    page = render_report(found.document, charts={}, decision=(False, ("No skill.",)))
    assert re.search(r"<h1 class='plain'>No skill beyond the base rate is shown", page)
    assert "Not promoted." in page


def test_text_from_the_data_is_escaped_and_the_page_loads_nothing():
    p, y = _world()
    evil = "<script>alert('x')</script>"
    found = _evaluation(p, y, stage=evil, version=evil)
    finding = {"feature": evil, "check": "presence_auc", "figure": 1.0, "threshold": 0.9, "evidence": evil,
               "waived": True}  # fmt: skip
    audit = {"checked": 1, "findings": [finding], "notes": [evil]}
    charts = evaluation_charts(found.predictions, found.document)
    page = render_report(
        found.document,
        charts=charts,
        audit=audit,
        baseline_notes={"logistic": evil},
        decision=(True, (evil,)),
    )
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "allowed by name" in page
    assert not re.search(r"(src|href)\s*=\s*[\"']?\s*(https?:)?//", page)
    assert "@import" not in page
    assert "url(http" not in page


def test_a_clean_audit_is_said_too():
    p, y = _world()
    page = render_report(
        _evaluation(p, y).document, charts={}, audit={"checked": 70, "findings": [], "notes": []}
    )
    assert "Nothing: 70 features were checked." in page


def test_an_evaluation_of_nothing_still_renders():
    found = _evaluation(np.zeros(0), np.zeros(0, dtype=np.int8))
    charts = evaluation_charts(found.predictions, found.document)
    assert charts == {}
    said = _text(render_report(found.document, charts=charts))
    assert "could not be scored" in said
    assert "nothing could be scored" in said


def test_one_outcome_only_still_renders_with_charts():
    found = _evaluation(np.full(20, 0.4), np.zeros(20, dtype=np.int8))
    charts = evaluation_charts(found.predictions, found.document)
    assert "reliability" in charts
    assert "All 20 test deals were lost" in _text(render_report(found.document, charts=charts))
