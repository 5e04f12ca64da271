"""Times as a tired person reads them."""

import pytest

from cutover.core.plain import span


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.04, "0 s"),
        (0.25, "0.2 s"),
        (1, "1 s"),
        (90, "90 s"),
        (119.96, "120 s"),
        (120, "2 min"),
        (125.4, "2 min 5 s"),
        (3_600, "1 h"),
        (3_601, "1 h 1 s"),
        (5_430, "1 h 30 min"),
        (86_400, "24 h"),
        (172_800, "48 h"),
        (172_801, "2 d 1 s"),
        (259_200, "3 d"),
        (2_595_600, "30 d 1 h"),
    ],
)
def test_a_span_has_at_most_two_units(seconds: float, words: str) -> None:
    assert span(seconds) == words
