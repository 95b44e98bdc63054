"""Which features know the outcome they should predict, and whether the training rows are what they claim.

findings    what a finding, a verdict and a report are
separation  AUC and its bounds, which count deals
values, filling, names, end_state, history   the checks of features
structure, shuffled, rebuilt                 the checks of the training rows themselves
waivers     findings that may stand, with a reason
"""

from models.audit.checks import audit
from models.audit.filling import present_values
from models.audit.findings import AuditReport

__all__ = ["AuditReport", "audit", "present_values"]
