"""What the simulated world believes, as numbers: how far each fact moves the odds of winning.

Every strength is a swing in log-odds: `STRENGTHS["regress"] = -0.7` means that a week in which the deal
falls back ends 0.7 log-odds lower than the same week without. Static strengths shift a deal's starting
odds. The facts are few, strong and lasting, so that what the tables show tells most of the odds.

A report on the worth of each belief is compared with what is planted here: stakeholders and promises
weigh most, then momentum, then motive and qualification, then structure, deal and seller, hidden least.
"""

__all__ = ["BELIEFS", "HIDDEN", "ROLE_FIRST", "SLOTS", "STATIC", "STRENGTHS"]

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
    "stakeholders",  # belief 1: who has been met, the only sponsor's presence, vetoes
    "momentum",  # belief 5: moments, regressions, silence, objections
    "promises",  # belief 2
    "qualification",  # belief 4
    "hidden",  # the buyer's politics: in no table
)
"""Parts of a deal's log-odds. At any instant they add up to logit(true win probability)."""

STATIC: dict[str, float] = {
    "intercept": -0.88,
    # what is sold to whom: known to every CRM, so a baseline finds it too
    "new": -0.18, "expansion": 0.20, "renewal": 0.42,
    "referral": 0.28, "partner": 0.15, "inbound": 0.05, "event": -0.10, "outbound": -0.22,
    "partner_involved": 0.20,
    # how responsibility is organised counts; headcount counts for nothing, by design
    "centralised": 0.28, "distributed": -0.38,
    # sellers: skill is seen only through their record
    "skill": 0.22, "multi_threading": 0.20, "promising": -0.20,
    # motive: fear of missing out helps the first order (and hurts its renewal, see RENEWAL)
    "mission_critical": 0.50, "fomo": 0.05, "no_motive": -0.50,
    "competitor": -0.15,
    # hidden, constant
    "affinity": 0.10, "politics": 0.12,
}  # fmt: skip

STRENGTHS: dict[str, float] = {
    "sponsor_left": -1.00,  # one willing sponsor is a risk: nobody takes over
    "went_silent": -0.30,
    "answered_again": 0.30,
    "advance": 0.34,  # the next micro-moment
    "regress": -0.70,
    "objection": -0.35,
    "sponsor_backing": 0.60,
    "promised": -0.50,  # selling what is not shipped
    "delivered": 1.30,  # against slipping on the due date
    "new_faces": -0.15, "spiral_competitor": -0.45, "metrics_requested": -0.45, "junior_only": -0.15,
    "beta_or_launch_partner": 0.60,  # the honest way out
    "agreement": 0.70,  # both sides answer a question alike, against apart
}  # fmt: skip

ROLE_FIRST: tuple[float, ...] = (
    0.0, 0.0, 1.05, 0.70, 0.40, 0.0, 0.0, 0.0, 0.0, 0.20, 0.20, 0.0, 1.05, 0.0,
)  # fmt: skip
"""Swing of the first touch of each seat of `SLOTS`; the blocker's veto weighs most."""

HIDDEN = 0.03
"""Standard deviation, in log-odds, of the weekly shock that no table shows."""
