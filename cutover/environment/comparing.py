"""How the two databases are compared: `database.validation` of an environment file."""

from typing import Annotated, Literal

from cutover.environment.reading import sql_question, whole
from cutover.environment.section import Section
from cutover.environment.written import Flag, Name, Percentage


class BusinessCheck(Section):
    """A figure that both databases must agree on."""

    name: Name
    sql: Annotated[str, sql_question]
    """One query that answers one row with one value; it runs in a read-only transaction on both sides."""
    within: Percentage = 0.0
    """How far green's value may be from blue's, such as 5%; without it they are the same."""


class Validation(Section):
    """How the two databases are compared."""

    in_window: Literal["changed", "none"] = "changed"
    """What is compared again while writes are stopped: tables changed since the last full comparison, or nothing."""
    max_report: Annotated[int, whole(1, 1000)] = 20
    """How many differing rows are listed."""
    show_values: Flag = False
    """Whether differing values are shown; else their type, length and a hash that is another one in each run."""
    checks: tuple[BusinessCheck, ...] = ()
    """Figures of the business, compared on both sides by `invoke validate`."""
