"""Whether a contract renews, and for how much.

labels            how each term ended, as far as that was known
split             windows by time of decision, each account in one of them
training, model   the win model's own machinery, and the ratio of renewed to committed amount
ratio, bands      that ratio and its spread
baselines         what users would otherwise have
evaluation, ratio_evaluation   how good it is out of time
"""

from models.renewal.baselines import fit_renewal_baselines
from models.renewal.evaluation import evaluate_renewal, write_renewal_evaluation
from models.renewal.labels import renewal_labels
from models.renewal.model import RenewalModel
from models.renewal.split import AccountSplit, account_split
from models.renewal.training import baseline_renewal, train_renewal

__all__ = [
    "AccountSplit",
    "RenewalModel",
    "account_split",
    "baseline_renewal",
    "evaluate_renewal",
    "fit_renewal_baselines",
    "renewal_labels",
    "train_renewal",
    "write_renewal_evaluation",
]
