"""What each belief is worth, on simulated worlds whose truth is known and on data that others made.

    python benchmarks/worth_of_beliefs.py --data ../shared/data --write docs

Good: on the simulated worlds the beliefs come out in the order in which they are planted, as far as the
planted worths differ; on real data every figure has an interval, and what is absent is said to be absent.
Writes docs/worth.json and docs/worth.md. About twenty minutes on two cores, on one thread.
"""

import argparse
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow.parquet as pq
from rich.console import Console

from data.settings import load_settings
from data.simulator import simulate
from data.simulator.planted import excess_log_loss, planted_worths
from models.worth import BELIEFS
from models.worth_page import directions_lines, worth_lines
from pipelines.parts import extract_part
from pipelines.worth import Measured, worth_part

OWN_WORLDS = {"simulated-1": 1, "simulated-2": 2}
DEALS = 6_000
AS_OF = datetime(2026, 1, 5, tzinfo=UTC)
GIVEN = {"agency_crm": "synthetic_crm_full", "maven": "maven_crm", "bpic2012": "bpic2012"}
PLANTED = {
    "buying_group": ("stakeholders",),
    "promises": ("promises",),
    "motive": ("motive",),
    "qualification": ("qualification",),
    "moments": ("momentum",),
    "commercial": ("structure", "seller"),
}
"""Beliefs of the report and those of the simulator; its `deal` is on the deal's own page, in the baseline."""


def measured(name: str, source: Path, mapping: str, folder: Path, as_of: str | None) -> Measured:
    """The worth command's findings on one data set, in a workspace of its own, with the default shape."""
    console = Console(file=sys.stderr)
    settings = load_settings(
        None, workspace=folder / name, source=source, mapping=mapping, as_of=as_of, n_trials=0
    )
    extract_part(settings, console)
    return worth_part(settings, console)


def against_truth(found: Measured, truth: Path) -> dict[str, Any]:
    """Planted worth, and the measured worth by the true probabilities instead of the outcomes, in nats."""
    predictions = pq.read_table(found.job.run_dir / "worth_test_predictions.parquet")
    rows = predictions.join(
        pq.read_table(truth / "truth.parquet"), ["opportunity_id", "as_of"], join_type="inner"
    )
    p, weight = rows["p_win"].to_numpy(), rows["weight"].to_numpy()
    lost = {
        name: excess_log_loss(p, rows[name].to_numpy(), weight)
        for name in rows.column_names
        if name in ("full", "baseline") or name.startswith(("without_", "alone_"))
    }
    planted = planted_worths(rows, weight, PLANTED)
    entries = {one["name"]: one for one in found.worth["beliefs"]}
    table = {
        name: {
            "planted": planted[name],
            "left_out_by_truth": lost[f"without_{name}"] - lost["full"],
            "alone_by_truth": lost["baseline"] - lost[f"alone_{name}"],
            "left_out": entries[name]["left_out"]["difference"],
            "alone": entries[name]["alone"]["difference"],
            "share": entries[name]["share"],
        }
        for name in PLANTED
    }
    columns = [key for key in next(iter(table.values())) if key != "planted"]
    agreement = {key: rank_correlation(table, key) for key in columns}
    return {"rows_matched": rows.num_rows / predictions.num_rows, "beliefs": table, "spearman": agreement}


def rank_correlation(table: dict[str, dict[str, float]], key: str) -> float:
    """Spearman's rank correlation of the planted worths and a measured column, over beliefs."""
    ranks = [np.argsort(np.argsort([row[name] for row in table.values()])) for name in ("planted", key)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def kept(found: Measured) -> dict[str, Any]:
    """What docs/worth.json keeps of one data set: the worth, and of each direction what a page tells."""
    document = {key: value for key, value in found.worth.items() if key != "run_id"}
    told = ("feature", "expected", "certain", "verdict", "correlation", "in_outcomes")
    features = [{key: one[key] for key in told} for one in found.directions["features"]]
    directions = {"counts": found.directions["counts"], "features": features}
    return {**rounded(document), "directions": rounded(directions)}


def rounded(value: Any) -> Any:
    """The same, figures to six decimals."""
    if isinstance(value, dict):
        return {key: rounded(held) for key, held in value.items()}
    if isinstance(value, list):
        return [rounded(held) for held in value]
    return round(value, 6) if isinstance(value, float) else value


def noise_everywhere(documents: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    """Features that are candidates for removal in all data sets that fill them, by those data sets' names.

    Data on which the full model is noise has no say.
    """
    filled: dict[str, list[str]] = {}
    wanted: set[str] = set()
    for name, document in documents.items():
        for row in document["features"]:
            if row["filled"] and not document["notes"]:
                filled.setdefault(row["feature"], []).append(name)
                wanted |= set() if row["candidate"] else {row["feature"]}
    return {feature: where for feature, where in sorted(filled.items()) if feature not in wanted}


def page(content: dict[str, Any]) -> str:
    """docs/worth.md, from what docs/worth.json holds."""
    lines = [_HEAD, "## Against the planted truth", ""]
    titles = {one.name: one.title for one in BELIEFS}
    for name, truth in sorted(content["truth"].items()):
        lines += [f"### {name}: {DEALS:,} deals", "", _TRUTH_HEAD, "|---" * 7 + "|"]
        for belief, row in sorted(truth["beliefs"].items(), key=lambda held: -held[1]["planted"]):
            figures = [f"{row[key]:.3f}" for key in list(row)[:-1]]
            lines.append("| " + " | ".join([titles[belief], *figures, f"{100 * row['share']:.0f} %"]) + " |")
        said = ", ".join(f"{key.replace('_', ' ')} {value:.2f}" for key, value in truth["spearman"].items())
        lines += ["", f"Rank correlation with the planted worths (Spearman): {said}.", ""]
    for name in (name for name in (*OWN_WORLDS, *GIVEN) if name in content["data"]):
        document = content["data"][name]
        lines += [f"## {name}", "", *worth_lines(document), *directions_lines(document["directions"])]
    noise = content["noise_everywhere"]
    lines += ["## Columns that are noise wherever they are filled", "", _NOISE, ""]
    lines += [f"- `{feature}` ({', '.join(where)})" for feature, where in noise.items()] or ["None."]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run every data set, or those that are named, and write the findings; others are kept as they were."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("..") / "shared" / "data")
    parser.add_argument("--only", nargs="*", default=[*OWN_WORLDS, *GIVEN])
    parser.add_argument("--write", type=Path, help="folder for worth.json and worth.md")
    arguments = parser.parse_args()
    stored = arguments.write / "worth.json" if arguments.write else None
    content: dict[str, Any] = {"schema_version": 1, "data": {}, "truth": {}, "noise_everywhere": {}}
    if stored is not None and stored.exists():
        content = orjson.loads(stored.read_bytes())
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in arguments.only:
            if name in OWN_WORLDS:
                source = folder / f"{name}-source"
                simulate(source, deals=DEALS, seed=OWN_WORLDS[name], as_of=AS_OF)
                found = measured(name, source, "canonical", folder, AS_OF.isoformat())
                content["truth"][name] = against_truth(found, source.with_name(source.name + "-truth"))
            else:
                found = measured(name, arguments.data / GIVEN[name], name, folder, None)
            content["data"][name] = kept(found)
    content["noise_everywhere"] = noise_everywhere(content["data"])
    text = page(content)
    if stored is None:
        sys.stdout.write(text)
        return
    stored.write_bytes(orjson.dumps(content) + b"\n")
    stored.with_name("worth.md").write_text(text, encoding="utf-8")


_HEAD = """# What each belief is worth

Written by `benchmarks/worth_of_beliefs.py`; do not edit. `dealcast worth` measures the same on your own
data.

**How it is measured.** Out of time, on the same test rows for all models, as log-loss in nats (lower is
better, so a worth above zero helps). *Added to all others*: the full model against one without these
columns. *Added to the baseline*: the baseline with these columns against the baseline alone. The
baseline is what every CRM shows on a deal's own page: stage, its position and probability, the seller's
forecast category, age, expected close, amount, currency, type and lead source; it stays in every model
and counts as no family's. Each model is fitted anew, three times with different seeds and a number of
rounds of its own; intervals (95 %) are drawn over test deals and over the fits, not over training sets.
*Share of contributions*: the mean absolute sum of the columns' contributions in log-odds, as a share of
all. Families that tell the same stand in for one another when one is left out, so beliefs, which take
such families together, are worth more than their families' sum.

**worth.json** (in `runs/<run_id>/`): `log_loss`, `versus_base_rate`, `baseline`, `families` and
`beliefs` (each with `columns`, `filled_columns`, `left_out` and `alone` of `difference`, `interval`,
`lower_bound`, or null where absent; `share`, `log_odds`, `sentence`), `features` (`filled`, `in_trees`:
splits, `in_line`, `share`, and `gain`: the log-loss lost when the contribution is replaced by its mean,
with `interval`; `candidate`: may go), `candidates`, `small_share`, `shape`, `fits`, `rows`, `notes`.
`worth_test_predictions.parquet` holds the probabilities that all of it is computed from.
**directions.json**: per feature with an expected direction the `verdict`, `correlation` of contribution
and value with `interval`, `spread` of the contributions, and what the outcomes say themselves
(`in_outcomes`).
"""
_TRUTH_HEAD = (
    "| belief | planted | added to all others, by the truth | alone, by the truth | added to all others "
    "| alone | share |"
)
_NOISE = (
    "No gain above zero that can be told from noise, and under a quarter of a percent of the contributions, "
    "in every data set that fills them (those where the whole model is noise aside)."
)


if __name__ == "__main__":
    main()
