"""Features of contracts: what is known, at an instant, of whether a contract will be renewed.

snapshots   which contract is looked at, at which instant
lineage     what each contract follows, and the deal that it goes back to
use_streams, people_streams, contract_streams, streams   the rows that features are made of
windows     the rate of use over a window, told from use that is not reported yet
families    one module per family, put together in catalogue
assemble    one row per contract and instant
"""

from features.renewals.assemble import renewal_frame
from features.renewals.catalogue import renewal_catalogue
from features.renewals.snapshots import ContractSnapshots, contract_snapshots

__all__ = ["ContractSnapshots", "contract_snapshots", "renewal_catalogue", "renewal_frame"]
