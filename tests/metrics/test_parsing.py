"""How conditions are read and written: every text is a condition or points at the column that is wrong."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from series import KNOWN, NOW, Written, condition

from cutover.core.gate import Verdict
from cutover.metrics.conditions import Sense
from cutover.metrics.figures import Known
from cutover.metrics.parsing import WORDS, parse
from cutover.metrics.tokens import ConditionError


@pytest.mark.parametrize(
    ("text", "canonical", "words"),
    [
        ("error_rate > 5% for 5m", None, "error_rate on green is above 5%, for 5m"),
        ("  error_rate>5 %  for  300s ", "error_rate > 5% for 5m", None),
        ("p95 > blue+100ms", "p95 > legacy + 100ms", "p95 on green is above blue's at the same time plus 100ms"),
        ("p99 > 2x baseline for 10m", "p99 > 2 x baseline for 10m", "p99 on green is above 2 times its baseline from before the cutover, for 10m"),
        ("p95 > 1.50 × baseline", "p95 > 1.5 x baseline", None),
        ("p95 >= 2*legacy − 1_000ms", "p95 >= 2 x legacy - 1000ms", None),
        ("p95 ≥ 1e3 ms", "p95 >= 1000ms", None),
        ("memory grows > 10%/h", "memory grows > 10%/h over 1h", "memory on green has grown by above 10%/h over the last 1h"),
        ("memory grows ≥ 0.5GB/d over 90m", "memory grows >= 0.5GB/d over 90m", None),
        ("cpu grows > 10%/h", "cpu grows > 10%/h over 1h", None),
        ("payment_errors > 0", None, "payment_errors on green is above 0"),
        ("kpi within 5% of baseline", None, "kpi on green is outside 5% of its baseline from before the cutover"),
        ("kpi outside 5% of legacy for 1h", None, None),
        ("kpi > -5", None, None),
        ("error_rate > 5% for 5m at least 200 requests", None, "error_rate on green is above 5%, for 5m; judged with at least 200 requests in 5m"),
        ("error_rate > 5% at least 200 hits in 90s for 5m", "error_rate > 5% for 5m at least 200 hits in 90s", None),
        ("requests > 1 /m and requests < 3/s", "requests > 1/m and requests < 3/s", None),
        ("kpi == 3 orders and payment_errors <> 0", "kpi = 3orders and payment_errors != 0", None),
    ],
)  # fmt: skip
def test_what_is_read(text: str, canonical: str | None, words: str | None) -> None:
    read = condition(text)
    assert str(read) == (canonical or text)
    assert condition(str(read)) == read
    assert words is None or read.words() == words
    assert read.sense is (Sense.WANTED if "within" in text else Sense.ALARM)


@pytest.mark.parametrize(
    ("text", "column", "reason"),
    [
        ("", 1, "a figure's name is wanted here, not nothing more"),
        ("eror_rate > 5%", 1, "no figure is called eror_rate (did you mean error_rate?)"),
        ("error_rate > 5", 14, "error_rate is in %"),
        ("error_rate > 5ms", 14, "error_rate is in %"),
        ("p95 > 5%", 7, "p95 is in ms"),
        ("payment_errors > 5%", 18, "payment_errors is a plain number"),
        ("p95 > legacy + 5%", 16, "p95 is in ms"),
        ("memory > 10s", 10, "memory is in MB"),
        ("memory grows > 10s/h", 16, "memory is in MB"),
        ("memory grows > 10%", 19, "`/` is wanted here, not nothing more"),
        ("memory grows > 10%/w", 20, "a growth is by a time: /m, /h or /d"),
        ("memory grows > 10%/h over 30s", 27, "is too short: memory has a sample every 15 s"),
        ("memory grows > 10%/h for 5m", 22, "a growth is measured `over` a time, and takes no `for`"),
        ("memory growz > 10%/h", 8, "after a figure comes a sign such as >, or one of within, outside, grows (did you mean grows?)"),
        ("p95 > 2 x basline", 11, "a value, legacy or baseline is wanted here (did you mean baseline?)"),
        ("p95 > lagacy", 7, "a value, legacy or baseline is wanted here (did you mean legacy?)"),
        ("p95 > 0 x legacy", 7, "a multiple by 0 bounds nothing"),
        ("payment_errors > legacy", 18, "payment_errors is measured on green alone: a comparison needs `side: both`"),
        ("blue_connections > legacy", 20, "blue_connections is measured on blue alone: a comparison needs `side: both`"),
        ("p95 > 5mss", 8, "mss is no unit (did you mean ms?)"),
        ("p95 > 5s fro 5m", 10, "fro does not belong here; `and`, `for`, `at least` or the end may follow (did you mean for?)"),
        ("p95 > 5s for 5", 14, "a duration above 0 is wanted here, such as 30s, 5m or 2h, at most 366d"),
        ("p95 > 5s for 0m", 14, "a duration above 0 is wanted here, such as 30s, 5m or 2h, at most 366d"),
        ("p95 > 5s for 5m and kpi > 1", 17, "`for` and `at least` stand at the end, once, and are about all parts"),
        ("p95 > 5s for 5m for 6m", 17, "`for` is there already"),
        ("p95 > 5s at least 20 requests", 10, "`at least` needs a time to count in: add `for 5m`, or `in 5m` after it"),
        ("p95 > 5s for 5m at least 20 p95", 29, "p95 is in ms, and can't be counted"),
        ("p95 > 5s for 5m at least 0 requests", 26, "a number of at least 1 is wanted here"),
        ("kpi within 5 of baseline", 12, "a percentage above 0 is wanted here, such as 5%"),
        ("kpi within 5% of 100", 18, "a value, legacy or baseline is wanted here"),
        ("kpi within 5% of baseline and p95 > 1s", 39, "`within` says what is wanted and is joined with nothing; write `outside`, or two triggers"),
        ("p95 > 1s; drop", 9, "this sign has no place in a condition"),
        ("p95 > 1e999s", 7, "the number is too large"),
        ("for > 1", 1, "a figure's name is wanted here, not for"),
        ("p95 > > 1s", 7, "a number is wanted here, not this"),
        ("p95\n> 1s", 4, "this sign has no place in a condition"),
        ("p95 > 1s" + " " * 500, 501, "a condition has at most 500 characters"),
    ],
)  # fmt: skip
def test_what_is_refused(text: str, column: int, reason: str) -> None:
    with pytest.raises(ConditionError) as caught:
        condition(text)
    error = caught.value
    assert (error.column, error.reason) == (column, reason)
    assert error.brief == f"column {column}: {reason}" and error.exit_code == 3
    line, pointing = error.message.split("\n")
    place = pointing.index("^")
    assert pointing[place:] == f"^ {reason}"
    if len(text) <= 60 and column <= len(text) and text.isprintable():
        assert line[place] == text[column - 1]


def test_figures_may_be_spelt_as_the_application_spells_them() -> None:
    known = {"error-rate": Known("%"), "memory": Known("bytes"), "orders_paid": Known("count")}
    assert str(parse("error_rate > 5%", known)) == "error-rate > 5%"
    assert str(parse("memory > 2GiB and orders-paid > 3", known)) == "memory > 2GiB and orders_paid > 3"


def test_nine_parts_are_too_many() -> None:
    with pytest.raises(ConditionError, match="at most 8 parts"):
        condition(" and ".join(["p95 > 1s"] * 9))


NUMBERS = st.floats(0, 1e15, allow_nan=False).filter(lambda one: one == 0 or one > 1e-9)
UNITS = {"error_rate": ["%"], "p95": ["ms", "s", "m", "h", "d"], "memory": ["B", "MB", "GB", "MiB"], "kpi": ["orders"]}
DURATION = st.builds("{}{}".format, st.integers(1, 300), st.sampled_from(["s", "m", "h", "d"]))


@st.composite
def clauses(draw: st.DrawFn) -> str:
    """A clause that is right, written in any of its ways."""
    name = draw(st.sampled_from(sorted(UNITS)))
    sign = draw(st.sampled_from([">", ">=", "<", "<=", "=", "!=", "≥", "≤", "≠"]))
    quantity = f"{draw(NUMBERS)!r}{draw(st.sampled_from(['', ' ']))}{draw(st.sampled_from(UNITS[name]))}"
    reference = draw(st.sampled_from(["legacy", "blue", "baseline"]))
    kind = draw(st.sampled_from(["fixed", "plain", "multiple", "outside", "grows"]))
    if kind == "grows":
        percent, per = draw(st.integers(1, 100)), draw(st.sampled_from(["m", "h", "d"]))
        over = f" over {draw(st.integers(10, 500))}m" if draw(st.booleans()) else ""
        return f"{name} grows {sign} {percent}%/{per}{over}"
    if kind == "outside":
        return f"{name} outside {draw(st.floats(0.001, 1000))!r}% of {reference}"
    if kind == "fixed":
        return f"{name} {sign} {draw(st.sampled_from(['', '-']))}{quantity}"
    times = f"{draw(st.floats(0.001, 1e6))!r} x " if kind == "multiple" else ""
    more = draw(st.sampled_from(["", f" + {quantity}", f" - {quantity}"]))
    return f"{name} {sign} {times}{reference}{more}"


@st.composite
def texts(draw: st.DrawFn) -> str:
    parts = draw(st.lists(clauses(), min_size=1, max_size=3))
    text = " and ".join(parts)
    if "grows" not in text and draw(st.booleans()):
        text += f" for {draw(DURATION)}"
    if draw(st.booleans()):
        text += (
            f" at least {draw(st.integers(1, 10**6))} {draw(st.sampled_from(['requests', 'hits']))} in {draw(DURATION)}"
        )
    return text


@given(texts())
@settings(max_examples=300, deadline=None)
def test_what_is_written_is_read_as_the_same_object(text: str) -> None:
    read = condition(text)
    assert condition(str(read)) == read and str(condition(str(read))) == str(read)
    found = read.judge(Written(), NOW)
    assert found.verdict is Verdict.INSUFFICIENT  # of nothing, nothing is said
    assert read.words()


PIECES = [
    *WORDS,
    *KNOWN,
    "5",
    "1e3",
    "0",
    "1_0",
    "%",
    "/",
    "/h",
    "ms",
    "GB",
    ">",
    "≥",
    "+",
    "-",
    "*",
    "(",
    "'",
    "\x00",
    "é",
    "²",
    "٣",
    "  ",
    "9" * 400,
]


@given(st.lists(st.sampled_from(PIECES), max_size=40), st.sampled_from(["", " "]))
@settings(max_examples=400, deadline=None)
def test_any_words_are_a_condition_or_an_error_of_ours(pieces: list[str], between: str) -> None:
    said(between.join(pieces))


@given(st.text(max_size=600))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_condition_or_an_error_of_ours(text: str) -> None:
    said(text)


def said(text: str) -> None:
    try:
        read = condition(text)
    except ConditionError as error:
        assert 1 <= error.column <= 501 and error.reason and "\n" not in error.reason
        assert error.message.count("\n") == 1 and len(error.message) < 600
    else:
        assert condition(str(read)) == read


def test_the_longest_texts_take_no_longer_than_their_length() -> None:
    """Ten times the text, at most some thirty times the time: no rule goes back over what was read."""

    def taken(pieces: int) -> float:
        shortest = 1.0
        for piece in ("9", "a", "1_", "-", "> ", "a.", "x ", "p95 and "):
            started = time.process_time()
            for _ in range(20):
                said((piece * pieces)[:500])
            shortest = max(shortest, time.process_time() - started)
        return shortest

    assert taken(500) < 30 * taken(50)


def test_any_known_figures_will_do() -> None:
    with pytest.raises(ConditionError, match="no figure is called p95"):
        parse("p95 > 1s", {})
