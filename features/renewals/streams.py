"""The streams that features of contracts are made of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import ibis.expr.types as ir

from features.gate import Known
from features.renewals import contract_streams as of_contracts
from features.renewals import people_streams as of_people
from features.renewals import use_streams as of_use
from features.streams import history

__all__ = ["STREAMS", "ContractStream"]


@dataclass(frozen=True)
class ContractStream:
    """Rows of one kind of event, by contract or account; see `features.streams.stream.Stream`.

    needs: the shared tables that the rows are made of. single: one row per key, read directly.
    """

    name: str
    entity: Literal["contract", "account", "all"]
    source: str
    description: str
    rows: Callable[[Known], ir.Table]
    needs: tuple[str, ...] = ()
    single: bool = False


def _accounts(known: Known) -> ir.Table:
    return next(stream for stream in history.STREAMS if stream.name == "accounts").rows(known)


def _use(known: Known) -> ir.Table:
    return known["use"]


_USE = ("counted_use", "use")
_PROMISES = ("promise_table",)

STREAMS: dict[str, ContractStream] = {
    stream.name: stream
    for stream in (
        ContractStream("use", "contract", "usage", "what is used under the contract", _use, _USE),
        ContractStream("periods", "contract", "usage", "periods of use, of late", _use, _USE),
        ContractStream("products_used", "contract", "usage", "products in use", of_use.product_rows, _USE),
        ContractStream("value", "contract", "usage", "use worth speaking of", of_use.value_rows, _USE),
        ContractStream("usage_feed", "all", "usage", "that use is reported at all", of_use.feed_rows),
        ContractStream(
            "terms", "contract", "contracts", "the contract's terms",
            of_contracts.term_rows, single=True,
        ),
        ContractStream(
            "running", "account", "contracts", "the account's running contracts",
            of_contracts.running_rows,
        ),
        ContractStream(
            "decisions", "account", "contracts", "how its contracts ended", of_contracts.decision_rows
        ),
        ContractStream("accounts", "account", "accounts", "facts of the account", _accounts, single=True),
        ContractStream("deals", "account", "opportunities", "the account's deals", of_people.deal_rows),
        ContractStream(
            "contacts_made", "account", "activities", "past activities of the account",
            lambda known: known["account_activities"], ("account_activities",),
        ),
        ContractStream(
            "people_met", "account", "activity_participants", "the same by contact who took part",
            lambda known: known["account_touches"], ("account_activities", "account_touches"),
        ),
        ContractStream(
            "sponsors", "account", "opportunity_contacts", "champions and sponsors", of_people.sponsor_rows
        ),
        ContractStream(
            "sponsor_touches", "account", "activity_participants", "activities with champions and sponsors",
            of_people.sponsor_touch_rows, ("account_activities", "account_touches"),
        ),
        ContractStream(
            "promises_made", "contract", "promises", "promised before the start",
            of_contracts.promise_rows, _PROMISES,
        ),
        ContractStream(
            "promise_states", "contract", "promises", "promises and their state",
            lambda known: known["promise_table"], _PROMISES,
        ),
        ContractStream(
            "promises_overdue", "contract", "promises", "open promises past their date",
            of_contracts.overdue_rows, _PROMISES,
        ),
        ContractStream(
            "promise_events", "contract", "promises", "promises, slips and deliveries",
            of_contracts.slip_rows, _PROMISES,
        ),
        ContractStream(
            "origins", "contract", "opportunities", "how the first deal was won", of_contracts.origin_rows,
            single=True,
        ),
    )
}  # fmt: skip
