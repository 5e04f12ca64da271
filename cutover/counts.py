"""Opens what counts each side for the comparison of green with blue; nothing is connected before the first look."""

from cutover.environment import Comparison, JsonLinesSource, PrometheusSource
from cutover.environment.compared_to_blue import LEDGER
from cutover.figures import prometheus_of
from cutover.metrics.compared import Counted
from cutover.metrics.counted import CountedByPrometheus, Selectors
from cutover.metrics.counted_lines import CountedByLines, LineWords
from cutover.plans.means import Means

ENDED = "ack"  # the field of a ledger that says when: its lines are written when a request has ended


class Counts:
    """Both sides' counts of one environment; what was read is remembered for as long as the process lives."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._open: dict[str, Counted] = {}

    def of(self, side: str) -> Counted:
        """What a side counted; raises LookupError where the environment compares nothing."""
        if side not in self._open:
            self._open[side] = self._counted(side)
        return self._open[side]

    def _counted(self, side: str) -> Counted:
        words = self._means.environment.comparison
        if words is None:
            raise LookupError("the environment compares nothing")
        if words.source == LEDGER:
            return CountedByLines(lambda: str(self._means.ledger_path()), ENDED, _lines(words, side))
        source = self._means.environment.metrics.sources.get(words.source)
        match source:
            case PrometheusSource():
                prometheus = prometheus_of(self._means, source)
                selectors = Selectors(
                    words.selector("requests", side),
                    words.selector("errors", side),
                    None if words.latencies is None else words.selector("latencies", side),
                )
                return CountedByPrometheus(lambda: prometheus, selectors, source.delay)
            case JsonLinesSource():
                file = source.blue if side == "blue" else source.green
                return CountedByLines(lambda: file, source.time, _lines(words, side))
        raise LookupError("the environment compares nothing that can be counted")


def _lines(words: Comparison, side: str) -> LineWords:
    latencies = None if words.latencies is None else words.selector("latencies", side)
    return LineWords.parse(words.selector("requests", side), words.selector("errors", side), latencies)
