"""Measured values as a person reads them."""

import pytest

from cutover.metrics.units import shown


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (52_887_552.0, "bytes", "52.89 MB"),
        (-1_149_964_252.0, "bytes", "-1.15 GB"),
        (512.0, "bytes", "512 bytes"),
        (1_000.0, "B", "1 kB"),
        (12_345.6, "", "12,346"),
        (6.7961, "%", "6.796%"),
        (233.4, "ms", "233.4ms"),
        (12.5, "EUR", "12.5 EUR"),
    ],
)
def test_shown(value: float, unit: str, text: str) -> None:
    assert shown(value, unit) == text
