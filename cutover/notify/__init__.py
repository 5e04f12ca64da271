"""Telling people: messages from the journal, and one file for each way to them. Imports nothing of the house but the engine."""
