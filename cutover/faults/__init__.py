"""Faults of everything around the program, injected at its own places, and what became of the customers' writes."""
