"""Renewal deals and contracts that fall due: one renewal, kept by the CRM in two places."""

from collections.abc import Collection, Sequence

import numpy as np

from models.arrays import BoolArray

__all__ = ["counted_as_renewals"]

_RENEWAL = "renewal"


def counted_as_renewals(
    types: Sequence[str | None], accounts: Sequence[str | None], due_accounts: Collection[str]
) -> BoolArray:
    """Which deals are left out of bookings: of type renewal, with a contract of their account due in time.

    due_accounts: those with a contract that falls due within the horizon; it is forecast among the renewals.

    >>> counted_as_renewals(["new", "renewal", "renewal"], ["a", "a", "b"], {"a"}).tolist()
    [False, True, False]
    """
    pairs = zip(types, accounts, strict=True)
    return np.array([kind == _RENEWAL and account in due_accounts for kind, account in pairs], dtype=np.bool_)
