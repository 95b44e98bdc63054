"""Fixtures that tests of several rooms read."""

from tests.served import served

__all__ = ["served"]
