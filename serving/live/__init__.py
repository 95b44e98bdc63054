"""The published run held in memory, and the thread that follows the pointer."""

from serving.live.held import HeldRun, hold
from serving.live.index import DealIndex
from serving.live.watch import Live, LiveState, NothingPublishedError

__all__ = ["DealIndex", "HeldRun", "Live", "LiveState", "NothingPublishedError", "hold"]
