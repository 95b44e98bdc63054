"""What the simulated world believes, as numbers: how far each fact moves the odds of winning.

Every strength is a swing in log-odds: `STRENGTHS["economic_buyer_met"] = 0.8` means that a week in
which the economic buyer is met ends 0.8 log-odds higher than the same week without. Static strengths
shift a deal's starting odds. A report on the worth of each belief is compared with `BELIEFS`.
"""

__all__ = ["BELIEFS", "HIDDEN", "ROLE_FIRST", "ROLE_REPEAT", "SLOTS", "STATIC", "STRENGTHS"]

SLOTS = (
    "champion", "mobilizer", "economic_buyer", "decision_maker", "executive_sponsor", "technical_evaluator",
    "user", "user", "influencer", "procurement", "legal", "finance", "blocker", "influencer",
)  # fmt: skip
"""The seats of a buying group; a deal fills 4 to 14 of them with people of the account."""

BELIEFS = (
    "deal",  # type, lead source, account: what is known on the first day
    "structure",  # belief 5: responsibility, not headcount
    "seller",  # skill and habits
    "motive",  # belief 3
    "stakeholders",  # belief 1: who has been met, the champion's presence, vetoes
    "momentum",  # belief 5: two-way contact, moments, regressions, booked meetings
    "promises",  # belief 2
    "qualification",  # belief 4
    "hidden",  # the buyer's politics: in no table
)
"""Parts of a deal's log-odds. At any instant they add up to logit(true win probability)."""

STATIC: dict[str, float] = {
    "intercept": -0.92,
    # what is sold to whom: known to every CRM, so a baseline finds it too
    "new": -0.30, "expansion": 0.40, "renewal": 0.95,
    "referral": 0.40, "partner": 0.20, "inbound": 0.10, "event": -0.10, "outbound": -0.30,
    "partner_involved": 0.25,
    # how responsibility is organised counts; headcount counts for nothing, by design
    "centralised": 0.22, "distributed": -0.38,
    # sellers: skill is seen only through their record
    "skill": 0.40, "multi_threading": 0.70, "promising": -0.60,
    # motive: fear of missing out helps the first order (and hurts its renewal, see RENEWAL)
    "mission_critical": 0.65, "fomo": 0.20, "no_motive": -0.45,
    "competitor": -0.28,
    # hidden, constant
    "affinity": 0.25, "politics": 0.32,
}  # fmt: skip

STRENGTHS: dict[str, float] = {
    "sponsor_absent_champion_left": -0.78,  # one willing sponsor is a risk
    "inbound": 0.24,  # the buyer writes without being asked
    "booked": 0.18,  # the next meeting stands in the diary
    "advance": 0.30,  # the next micro-moment
    "regress": -0.42,
    "competitor_mentioned": -0.20,
    "reference_requested": 0.08,
    "objection": -0.20,
    "sponsor_backing": 0.40,
    "fomo": 0.04,
    "mission_critical": 0.12,
    "promised": -0.28,  # selling what is not shipped
    "delivered": 0.75,  # against slipping on the due date
    "new_faces": -0.26, "spiral_competitor": -0.32, "metrics_requested": -0.34, "junior_only": -0.40,
    "beta_or_launch_partner": 0.50,  # the honest way out
    "agreement": 0.44,  # both sides answer a question alike, against apart
}  # fmt: skip

ROLE_FIRST: tuple[float, ...] = (
    0.28, 0.28, 0.48, 0.40, 0.36, 0.24, 0.16, 0.12, 0.12, 0.36, 0.30, 0.30, 0.56, 0.12,
)  # fmt: skip
"""Swing of the first touch of each seat of `SLOTS`; the blocker's veto weighs most."""

ROLE_REPEAT: tuple[float, ...] = (
    0.16, 0.16, 0.20, 0.18, 0.18, 0.08, 0.06, 0.04, 0.04, 0.08, 0.08, 0.08, 0.16, 0.04,
)  # fmt: skip
"""Swing of any later week with that seat."""

HIDDEN = 0.08
"""Standard deviation, in log-odds, of the weekly shock that no table shows."""
