"""How green is compared with blue while both have visitors."""

import re
from collections.abc import Mapping
from typing import Annotated

from cutover.environment.reading import Reads, by_side_schema, number, text_of, wrong
from cutover.environment.section import Section
from cutover.environment.triggers import Then, Undecided
from cutover.environment.written import Flag, Name, Percentage, Wait
from cutover.metrics.log_query import LogQuery, Unclear, latency_field

LONGEST_SELECTOR = 500
SELECTOR = r"[a-zA-Z_:][a-zA-Z0-9_:]*(\s*\{([^{}\"]|\"([^\"\\]|\\.)*\")*\})?"
COUNTER = 'a counter as Prometheus selects it, such as shop_requests_total{side="{side}"}, without a function around it'
LINES = "`count where field = value and …` of a log's lines, or for latencies `FIELD in ms`"
WANTS = f"{COUNTER}; or {LINES}"
LEDGER = "ledger"
"""The source that is the environment's own `ledger`."""
LEDGER_DELAY = 5.0  # seconds until a request that has ended stands in it


def is_selector(text: str) -> bool:
    """Whether this is a metric's name with labels and nothing else, once `{side}` is filled in."""
    return len(text) <= LONGEST_SELECTOR and re.fullmatch(SELECTOR, text.replace("{side}", "blue")) is not None


def is_count(text: str) -> bool:
    """Whether this counts lines of a log."""
    try:
        return LogQuery.parse(text.replace("{side}", "blue")).what == "count"
    except Unclear:
        return False


def is_latency(text: str) -> bool:
    """Whether this names a field of a log with its unit."""
    try:
        return bool(latency_field(text))
    except Unclear:
        return False


def _selector(value: object) -> str | dict[str, str]:
    if isinstance(value, Mapping):
        if set(map(str, value)) != {"blue", "green"}:
            raise wrong("wants one text, or one for each side: {blue: …, green: …}")
        return {str(side): _one(text) for side, text in value.items()}
    return _one(value)


def _one(value: object) -> str:
    text = text_of(value, WANTS).strip()
    if len(text) > LONGEST_SELECTOR or not (is_selector(text) or is_count(text) or is_latency(text)):
        raise wrong(f"wants {WANTS}")
    return text


Selector = Annotated[str | dict[str, str], Reads(_selector, by_side_schema(LONGEST_SELECTOR))]


class MarginWords(Section):
    """How much more often green may fail: both together."""

    points: Percentage = 1.0
    """Of all requests."""
    percent: Percentage = 10.0
    """Of blue's own rate."""


class Comparison(Section):
    """Green beside blue at every share below 100 %, by what both counted in the same time; valid however often it is looked at."""

    source: Name
    """Which of metrics.sources counts, of kind prometheus or json-lines; or `ledger`, what the customers themselves noted."""
    requests: Selector
    """The counter of a side's requests, or the lines of a log that are some, as `count where route != "/health"`.

    {side} in it becomes blue or green, or there is one text for each."""
    errors: Selector
    """The counter of those that failed; told from `requests` by labels, or a counter of its own that always exists.

    Of a log the requests among which this holds, as `count where status >= 500`."""
    latencies: Selector | None = None
    """The counter of its buckets (…_bucket), with `le` in seconds; of a log a field, as `duration in ms`. Needed for `slower`."""
    margin: MarginWords = MarginWords()
    slower: Wait | None = None
    """How much longer green's requests may take; without it only errors are compared."""
    worth: Percentage = 5.0
    """The least difference, in points of errors, that must not be missed; says how many requests are enough."""
    together: Annotated[float, number(1000, least=1)] = 1.0
    """How many requests fail together at most, such as one visitor's retries."""
    one_by_one: Flag = False
    """Requests are divided one by one, and nobody but visitors is counted: then fewer requests are enough."""
    then: Then = "rollback"
    insufficient: Undecided = "wait"
    """What is done while there are too few requests; a share is not passed on without a verdict anyhow."""
    blind: Undecided = "hold"
    """What is done while a side cannot be counted."""

    def selector(self, what: str, side: str) -> str:
        """The counter of one side: `requests`, `errors` or `latencies`."""
        written: str | Mapping[str, str] = getattr(self, what)
        return (written if isinstance(written, str) else written[side]).replace("{side}", side)
