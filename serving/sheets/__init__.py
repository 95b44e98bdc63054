"""Mutual-qualification sheets: four questions about a deal that both sides answer, each without the other."""
