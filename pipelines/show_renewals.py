"""How renewals look on a terminal: the ranked contracts, and one contract's probability taken apart."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipelines.show import MISSING, cell, money, moved, points, when, why
from serving.published import Published
from serving.renewals import RenewalExplanation, RenewalScore, is_baseline, renewal_versions
from serving.text import printable

__all__ = ["renewal_view", "renewals_table"]


def renewals_table(renewals: Sequence[RenewalScore], published: Published) -> RenderableType:
    """The contracts that wait for their renewal, the least likely first, with what moves each most."""
    versions = renewal_versions(published)
    said = f"as of {when(published.as_of)} · model {', '.join(versions)} · run {published.run_id}"
    if is_baseline(versions):
        said = f"BASELINE: one rate for every contract, not a model's prediction\n{said}"
    if not renewals:
        return Group(Text("No contract waits for its renewal."), Text(said, "dim"))
    table = Table(
        title="Contracts by probability of renewal, the least likely first", caption=said, box=None,
        pad_edge=False, title_justify="left", caption_justify="left", header_style="bold",
    )  # fmt: skip
    changed, reasoned = (
        any(one.change is not None for one in renewals),
        any(one.top_reason for one in renewals),
    )
    for name in ("#", "renews", *(("change",) if changed else ())):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("contract", overflow="fold", max_width=40)
    table.add_column("ends", no_wrap=True)
    table.add_column("committed", justify="right", no_wrap=True)
    table.add_column("expected of\ncommitted (80 %)", justify="right", no_wrap=True)
    if reasoned:
        table.add_column("what moves it most", overflow="fold")
    for one in renewals:
        table.add_row(
            str(one.rank),
            f"{one.p_renew:.1%}",
            *((points(one.change),) if changed else ()),
            Text.assemble(
                printable(one.account, longest=60) or MISSING, (f" {printable(one.contract_id)}", "dim")
            ),
            _ends(one),
            money(one.committed_amount, one.currency),
            f"{one.expected_ratio:.0%} ({one.ratio_low:.0%}–{one.ratio_high:.0%})",
            *((cell(one.top_reason),) if reasoned else ()),
        )
    return table


def renewal_view(explanation: RenewalExplanation, *, top: int) -> RenderableType:
    """Why a contract has its probability of renewal: drivers as bars, reasons as sentences."""
    contract = explanation.contract
    about = " · ".join(
        part
        for part in (
            printable(contract.region), printable(contract.segment), printable(contract.billing),
            money(contract.committed_amount, contract.currency), f"term ends {contract.ends_on}",
        )
        if part and part != MISSING
    )  # fmt: skip
    lines: list[RenderableType] = [
        Text.assemble(
            (printable(contract.account) or contract.contract_id, "bold"),
            f"  (contract {printable(contract.contract_id)})",
        ),
        Text(about, "dim"),
        Text.assemble(
            ("\n" + f"{contract.p_renew:.1%}", "bold"), " probability of renewal", moved(contract.change)
        ),
        Text(
            f"Expected: {contract.expected_ratio:.0%} of the committed amount, churn counted as none "
            f"(80 % interval {contract.ratio_low:.0%} to {contract.ratio_high:.0%}); "
            f"{contract.ratio_if_renewed:.0%} if it renews."
        ),
    ]
    if contract.overdue:
        lines.append(Text("Overdue: its term is over and no outcome is known.", "yellow"))
    if explanation.model_version.startswith("baseline"):
        lines.append(Text("BASELINE: one rate for every contract, not a model's prediction.", "yellow"))
    if explanation.evidence:
        lines.append(Text(printable(explanation.evidence, longest=400)))
    return Group(*lines, *why(explanation, contract.p_renew, top=top))


def _ends(one: RenewalScore) -> Text:
    if one.ends_on is None:
        return Text(MISSING)
    return Text.assemble(one.ends_on, (" overdue", "yellow")) if one.overdue else Text(one.ends_on)
