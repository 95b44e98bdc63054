"""Names and words of a deal's end: fields that a CRM fills or settles when a deal closes.

Names are compared without case, spaces, underscores, the `x_` of a custom field and what CRMs add to
custom names (`__c`, `new_`). Sources: the object references of Salesforce (Opportunity), HubSpot
(deal properties) and Dynamics 365 (opportunity, opportunityclose), and what teams usually call such fields.
"""

import re
from typing import Literal

__all__ = ["BannedKind", "banned_name", "is_closed_word", "plain_name"]

BannedKind = Literal["end", "present"]
"""end: told by the close itself. present: a summary that the CRM keeps up to date, so of today."""

_END_NAMES = """
    iswon islost isclosed won lost closed wonlost winloss winlost outcome dealoutcome opportunityoutcome
    closestatus closedstatus statecode statuscode finalstage laststage finalstatus laststatus
    lossreason lostreason losereason reasonlost reasonforloss lossreasons lostreasons
    losscategory lostcategory winreason wonreason reasonwon reasonforwin winlossreason wonlostreason
    closereason closedreason reasonclosed closingreason lossnotes lostnotes losscomment lostcomment
    losscomments lossdetail lossdetails closenotes closingnotes closenote closecomment closecomments
    closedby wonby lostby losttocompetitor lostto lostcompetitor competitorlostto winningcompetitor
    closedate closeddate dateclosed closedat closedon closeat closeon closetime closedtime timeclosed
    wondate lostdate windate lossdate wonat lostat wonon loston wontime losttime datewon datelost
    signedat signedon signeddate signdate signaturedate contractsigned contractsigneddate contractsignedon
    closevalue closedvalue closeamount closedamount closedrevenue wonamount wonvalue wonrevenue lostamount
    lostvalue lostrevenue finalamount finalvalue finalprice finaldiscount
    daystoclose daystowin daystoloss daystowon timetoclose timetowin closingtime salescycle salescycledays
    salescyclelength lengthofsalescycle cycledays
"""
_END_PARTS = (
    r"^hs(is)?closed", r"closed(won|lost)", r"^hsdaystoclose",
    r"^actual(close|closing|value|revenue|amount|price|end|won|lost)",
)  # fmt: skip
_PRESENT_NAMES = """
    probability closeprobability winprobability dealstageprobability hsdealstageprobability
    expectedrevenue weightedamount forecastcategory forecastcategoryname stage stagename dealstage salesstage
    stepname lastactivitydate lastactivityon hasopenactivity hasoverduetask laststagechangedate
    lastmodifieddate hslastmodifieddate hsprojectedamount fiscalquarter fiscalyear isexcludedfromforecast
    numberoftimescontacted numcontactednotes hsnumberofoverduetasks
"""
_END, _PRESENT = frozenset(_END_NAMES.split()), frozenset(_PRESENT_NAMES.split())
_CLOSED_WORD = re.compile(
    r"\b(close|closed)[\s_-]*(won|lost)\b|^\W*\d*\W*(closed|won|lost|deal[\s_-]*won|deal[\s_-]*lost)\W*$",
    re.IGNORECASE,
)


def plain_name(name: str) -> str:
    """The name as it is compared: lower case letters and digits without a custom field's trimmings.

    >>> plain_name("x_Loss_Reason__c"), plain_name("IsWon"), plain_name("new_ActualValue")
    ('lossreason', 'iswon', 'actualvalue')
    """
    lowered = name.strip().lower().removeprefix("x_").removeprefix("new_").removesuffix("__c")
    return re.sub(r"[^a-z0-9]", "", lowered)


def banned_name(name: str) -> BannedKind | None:
    """Whether a field of this name is settled at the close, or shows the present; None for neither.

    >>> banned_name("x_hs_closed_amount"), banned_name("x_Probability"), banned_name("x_region")
    ('end', 'present', None)
    """
    plain = plain_name(name)
    if plain in _END or any(re.search(part, plain) for part in _END_PARTS):
        return "end"
    return "present" if plain in _PRESENT else None


def is_closed_word(text: str) -> bool:
    """Whether a stage's or a forecast category's name says that the deal has ended.

    >>> [is_closed_word(t) for t in ("Closed Won", "6 - closed lost", "closedwon", "Won", "Won over")]
    [True, True, True, True, False]
    """
    return _CLOSED_WORD.search(text) is not None
