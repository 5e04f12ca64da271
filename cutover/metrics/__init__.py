"""Figures and what they mean: conditions that an operator can read, verdicts that bear repeated looks, and sources."""
