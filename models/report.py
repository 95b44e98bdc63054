"""The readable report of a training run: one HTML file that needs nothing else.

No script, no address outside the file; everything that came from data is escaped.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from models.audit.findings import CHECKS
from models.timing.judge import BASELINES as TIMED_BY

__all__ = ["render_report"]

_MODELS = {
    "win": "Win model",
    "base_rate": "Base rate",
    "stage_probability": "Stage probability",
    "naive_bayes": "Naive Bayes score",
    "logistic": "Logistic regression",
}
_OUTCOMES = {
    "agrees": "go the expected way",
    "contradicts": "go the other way too",
    "unclear": "show no clear direction",
}
_CHARTS = {
    "reliability": "Calibration: each dot is a tenth of the weight; the bar is a 95 % interval over deals.",
    "lift": "Cumulative gain: how many of the wins are found when the most likely deals are looked at first.",
    "by_age": "Log-loss by deal age, beside the baselines; lower is better.",
    "shap": "Mean absolute contribution per feature, in log-odds, over the deals explained.",
}


def render_report(
    document: Mapping[str, Any],
    *,
    charts: Mapping[str, str],
    audit: Mapping[str, Any] | None = None,
    directions: Mapping[str, Any] | None = None,
    timing: Mapping[str, Any] | None = None,
    baseline_notes: Mapping[str, str] | None = None,
    decision: tuple[bool, Sequence[str]] | None = None,
) -> str:
    """HTML of an evaluation document.

    charts: SVG texts by name (reliability, lift, by_age, shap). audit, directions, timing: what audit.json,
    directions.json and timing.json hold. baseline_notes: what each baseline rests on. decision: whether it
    was promoted, and the reasons.
    """
    version = escape(str(document["model_version"]))
    good = "good" if document["claims_skill"] else "plain"
    parts = [
        f"<header><p class='over'>Win model {version}, as of {_day(document['as_of'])}</p>",
        f"<h1 class='{good}'>{escape(document['headline'])}</h1>{_decision(decision)}</header>",
        _notes(document["notes"]),
        _section(
            "Out of time, beside the baselines",
            _metrics(document),
            _versus(document),
            _notes_of(baseline_notes),
        ),
        _section("Charts", f"<div class='charts'>{''.join(_figures(charts))}</div>") if charts else "",
        _section("Older deals only", *_older(document["by_min_age_days"]))
        if document["by_min_age_days"]
        else "",
        _section("By stage", _slices(document["by_stage"], "Stage", lambda part: part["stage"])),
        _section("By deal age", _slices(document["by_age"], "Age, days", _age)),
        _section("When it is won", _timing(timing)) if timing else "",
        _section("Left out by the leakage audit", _audit(audit)) if audit is not None else "",
        _section("Learnt beside expected directions", _directions(directions)) if directions else "",
        _section("Windows", _windows(document)),
    ]
    return _PAGE.format(
        title=f"Win model {version}", style=_STYLE, body="\n".join(part for part in parts if part)
    )


def _decision(decision: tuple[bool, Sequence[str]] | None) -> str:
    if decision is None:
        return ""
    promoted, reasons = decision
    said = "Promoted to champion." if promoted else "Not promoted."
    return f"<p class='lead'><strong>{said}</strong> {escape(' '.join(reasons))}</p>"


def _notes(notes: Sequence[str]) -> str:
    return "".join(f"<p class='note'>{escape(note)}</p>" for note in notes)


def _notes_of(notes: Mapping[str, str] | None) -> str:
    if not notes:
        return ""
    rows = "".join(f"<dt>{_MODELS[name]}</dt><dd>{escape(said)}</dd>" for name, said in notes.items())
    return f"<details><summary>What the baselines rest on</summary><dl>{rows}</dl></details>"


def _metrics(document: Mapping[str, Any]) -> str:
    return _scores(document["metrics"]) + (
        "<p class='small'>In brackets: 95 % intervals over draws of whole deals. AUC: higher is better; "
        "log-loss, Brier and calibration error: lower; slope: 1 is calibrated.</p>"
    )


def _scores(metrics: Mapping[str, Mapping[str, Any]]) -> str:
    heads = ("Model", "AUC", "Log-loss", "Brier", "Calibration error", "Slope")
    keys = ("auc", "log_loss", "brier", "ece", "slope")
    rows = (
        (_MODELS[name], *(_with_interval(scores, key) for key in keys)) for name, scores in metrics.items()
    )
    return _table(heads, rows, first_strong=True)


def _versus(document: Mapping[str, Any]) -> str:
    rows = []
    for name, found in document["versus"].items():
        bound = found["log_loss_difference_lower_bound"]
        verdict = "not known" if bound is None else "yes" if bound > 0 else "no"
        rows.append((_MODELS[name], _with_interval(found, "log_loss_difference"), verdict))
    return _table(("Against", "Log-loss saved by the win model", "More than noise"), rows)


def _older(parts: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    for part in parts:
        title = (
            f"At least {part['min_age_days']:g} days old: {part['deals']:,} deals, {part['rows']:,} snapshots"
        )
        yield f"<h3>{escape(title)}</h3>{_scores(part['metrics'])}"


def _slices(parts: Sequence[Mapping[str, Any]], name: str, label: Any) -> str:
    heads = (
        name,
        "Deals",
        "Snapshots",
        "Share won",
        "Mean probability",
        "AUC",
        "Log-loss",
        "Base rate's log-loss",
    )
    rows = (
        (
            escape(str(label(part))),
            f"{part['deals']:,}",
            f"{part['rows']:,}",
            _percent(part["won_share"]),
            _percent(part["mean_p"]),
            _number(part["auc"]),
            _number(part["log_loss"]),
            _number(part["baseline_log_loss"]["base_rate"]),
        )
        for part in parts
    )
    return _table(heads, rows) if parts else "<p>No rows.</p>"


def _age(part: Mapping[str, Any]) -> str:
    low, high = part["age_from_days"], part["age_to_days"]
    return f"{low:g} or more" if high is None else f"{low:g} to under {high:g}"


def _audit(audit: Mapping[str, Any]) -> str:
    said = "".join(f"<p class='small'>{escape(note)}</p>" for note in audit["notes"])
    if not audit["findings"]:
        return f"<p>Nothing: {audit['checked']} features were checked.</p>{said}"
    rows = (
        (
            f"<code>{escape(found['feature'])}</code>",
            escape(CHECKS[found["check"]]) + (" (allowed by name)" if found["waived"] else ""),
            f"{_number(found['figure'])} <small>above {found['threshold']:g}</small>",
            escape(found["evidence"]),
        )
        for found in audit["findings"]
    )
    return _table(("Feature", "Why", "Figure", "Evidence"), rows, text=True) + said


def _directions(document: Mapping[str, Any]) -> str:
    counts = document["counts"]
    said = (
        f"<p>Of the features that sellers expect to help or to hurt, {counts['agrees']} move the model that "
        f"way, {counts['contradicts']} the other way, {counts['mixed']} both ways; {counts['flat']} hardly "
        f"move it, and {counts['absent']} hold one value only in this data.</p>"
    )
    rows = (
        (
            f"<code>{escape(found['feature'])}</code>",
            escape(found["expected"]),
            escape(found["verdict"]),
            _with_interval(found, "correlation", "interval"),
            escape(_OUTCOMES[found["in_outcomes"]]),
            _number(found["spread"]),
        )
        for found in document["features"]
        if found["verdict"] in ("contradicts", "mixed")
    )
    heads = (
        "Feature",
        "Expected",
        "Learnt",
        "Rank correlation",
        "The outcomes themselves",
        "Spread, log-odds",
    )
    if not counts["contradicts"] and not counts["mixed"]:
        return said
    why = (
        "<p class='small'>Rank correlation of contribution and value. Where the outcomes themselves go the "
        "expected way, the contradiction is a shadow: another feature tells the same and is raised instead."
        "</p>"
    )
    return said + _table(heads, rows, text=True) + why


def _timing(document: Mapping[str, Any]) -> str:
    said = f"<p>{escape(document['note'])}</p>"
    judged = [part for part in document["horizons"] if part["judged"]]
    if not judged:
        return said
    heads = (
        *("Won within", "Snapshots from", "Deals won", "Share won", "Mean probability", "Slope"),
        *(f"Log-loss saved against: {title.lower()}" for title in TIMED_BY.values()),
    )
    rows = (
        (
            f"{part['weeks']} weeks",
            _day(part["from"][:10]),
            f"{part['won_deals']:,}",
            _with_interval(part, "observed"),
            _number(part["expected"]["model"]),
            _with_interval(part["metrics"]["model"], "slope"),
            *(_with_interval(part["versus"][name], "difference", "interval") for name in TIMED_BY),
        )
        for part in judged
    )
    why = (
        "<p class='small'>The last column has the same win probability, so it judges the timing alone. Deals "
        "still open are stood for by those that could be followed for so long.</p>"
    )
    return said + _table(heads, rows) + why


def _windows(document: Mapping[str, Any]) -> str:
    times_of = ("First snapshot", "Last snapshot", "Outcomes known by")
    heads = ("Window", *times_of, "Snapshots", "Deals", "Won", "Lost", "Censored snapshots")
    rows = []
    for name in ("train", "calibration", "test"):
        part = document[name]
        times = (_day(part[key]) for key in ("as_of_min", "as_of_max", "label_max"))
        counts = (f"{part[key]:,}" for key in ("rows", "deals", "won", "lost", "censored_rows"))
        rows.append((name.capitalize(), *times, *counts))
    return _table(heads, rows)


def _figures(charts: Mapping[str, str]) -> Iterable[str]:
    for name, drawing in charts.items():
        words = _CHARTS.get(name, name)
        said = f"<figcaption>{escape(words)}</figcaption>"
        yield f"<figure role='img' aria-label='{escape(words)}'>{drawing}{said}</figure>"


def _section(title: str, *parts: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{''.join(parts)}</section>"


def _table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], *, first_strong: bool = False, text: bool = False
) -> str:
    """A table of cells that are HTML already; the first row may stand out as the model's own."""
    top = "".join(f"<th scope='col'>{escape(head)}</th>" for head in heads)
    body = ""
    for i, (first, *rest) in enumerate(rows):
        cells = "".join(f"<td>{cell}</td>" for cell in rest)
        strong = " class='own'" if first_strong and i == 0 else ""
        body += f"<tr{strong}><th scope='row'>{first}</th>{cells}</tr>"
    kind = " class='text'" if text else ""
    return (
        f"<div class='scroll'><table{kind}><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _with_interval(scores: Mapping[str, Any], key: str, interval_key: str | None = None) -> str:
    value, interval = scores[key], scores.get(interval_key or f"{key}_interval")
    if interval is None or interval[0] == interval[1]:
        return _number(value)
    return f"{_number(value)} <small>[{_number(interval[0])}, {_number(interval[1])}]</small>"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}".replace("-", "−")


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _day(at: str | None) -> str:
    return "–" if at is None else escape(at[:16].replace("T", " ").removesuffix(" 00:00"))


_STYLE = """
:root { color-scheme: light dark; --ink: #1f2937; --soft: #5b6472; --line: #e2e5ea; --paper: #fff;
  --band: #f6f7f9; --good: #0b6e4f; --warn: #fff7e6; --warnline: #e0a030 }
@media (prefers-color-scheme: dark) { :root { --ink: #e7e9ee; --soft: #a3abba; --line: #343a46;
  --paper: #15181e; --band: #1d2129; --good: #5cc9a0; --warn: #2b2413; --warnline: #b98524 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif }
main { max-width: 66rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem }
.over { margin: 0; color: var(--soft); font-size: .875rem }
h1 { margin: .35rem 0 .6rem; font-size: 1.6rem; line-height: 1.3; font-weight: 650; max-width: 44rem }
h1.good { color: var(--good) }
h2 { margin: 2.75rem 0 .75rem; font-size: 1.15rem }
h3 { margin: 1.5rem 0 .5rem; font-size: .95rem; font-weight: 600 }
.lead { margin: .25rem 0 0; max-width: 44rem }
.note { margin: 1rem 0 0; padding: .6rem .9rem; background: var(--warn);
  border-left: 3px solid var(--warnline) }
.small, figcaption, dd, summary { font-size: .85rem; color: var(--soft) }
.scroll { overflow-x: auto; margin-bottom: .75rem }
table { border-collapse: collapse; width: 100%; font-size: .875rem; font-variant-numeric: tabular-nums }
th, td { padding: .45rem .7rem; border-bottom: 1px solid var(--line); text-align: right;
  white-space: nowrap; font-weight: 400 }
thead th { color: var(--soft); font-size: .8rem; vertical-align: bottom; white-space: normal }
th:first-child, .text th, .text td { text-align: left }
.text td:last-child { white-space: normal; min-width: 18rem }
tbody tr:hover { background: var(--band) }
.own th, .own td { font-weight: 650 }
td small { color: var(--soft); font-weight: 400 }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr));
  gap: 1.5rem }
figure { margin: 0 }
figure svg { display: block; width: 100%; height: auto; background: #fff;
  border: 1px solid var(--line); border-radius: 6px; padding: .75rem }
figcaption { margin-top: .4rem }
dt { font-weight: 600; font-size: .85rem; margin-top: .5rem }
dd { margin: 0 }
"""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body><main>
{body}
</main></body>
</html>
"""
