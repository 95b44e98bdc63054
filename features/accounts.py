"""Accounts as an instant knows them: a customer recorded later has no name, region or segment yet."""

from collections.abc import Mapping
from datetime import datetime

import ibis
import ibis.expr.types as ir

__all__ = ["accounts_known"]


def accounts_known(tables: Mapping[str, ir.Table], as_of: datetime) -> ir.Table:
    """The accounts recorded strictly before as_of, and those of which nobody says when they were recorded."""
    accounts = tables["accounts"]
    now = ibis.literal(as_of, type="timestamp('UTC')")
    return accounts.filter(accounts.known_at.isnull() | (accounts.known_at < now))
