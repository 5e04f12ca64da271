"""Runbooks: the plan as pages that a person can follow by hand, and their commands read back."""

from cutover.runbook.book import Book
from cutover.runbook.extract import extract_commands
from cutover.runbook.files import stale, write
from cutover.runbook.pages import render

__all__ = ["Book", "extract_commands", "render", "stale", "write"]
