"""Figures that can be trusted: each is measured beside its reference, in the same run, on real servers and under load."""
