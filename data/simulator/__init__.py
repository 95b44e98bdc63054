"""A B2B world with known truth: a CRM's tables, and beside them the probabilities behind them.

world      accounts (who decides, and how), sellers (skill, habits), people by seat, the roadmap
deals      a deal's first day: group of 4 to 14, motive, competitors, starting log-odds
journey    the weekly life from which tables and outcome follow; why its p_win is exactly true
strengths  how far each fact moves the odds, by belief: the planted truth in one place
calendar   when in the week things happen, and when the CRM hears of them
events, phrases, notes, activities, signals, changes, contracts, tables   what the CRM shows
writing, simulation   canonical Parquet in parts of 10,000 deals; same seed, same bytes

The buying group, promises and their spiral, motives, mutual qualification and moments act as DESIGN's
five beliefs say; headcount acts on nothing. The CRM shows the life imperfectly: activities go unlogged
or are logged late, roles are forgotten, close dates are wrong. What no table shows at all (politics,
an account's affinity, weekly shocks, a seller's skill but for their record) is a smaller part.
"""

from data.simulator.simulation import DEFAULT_AS_OF, SimulationReport, simulate

__all__ = ["DEFAULT_AS_OF", "SimulationReport", "simulate"]
