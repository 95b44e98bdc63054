"""A B2B world with known truth."""

from data.simulator.simulation import DEFAULT_AS_OF, SimulationReport, simulate

__all__ = ["DEFAULT_AS_OF", "SimulationReport", "simulate"]
