"""A console for the tests of a file that need nothing special of it."""

from collections.abc import Iterator

import pytest
from shop_floor import Desk, answering


@pytest.fixture
def desk() -> Iterator[Desk]:
    """A console with five lines."""
    with answering(lines=5) as desk:
        yield desk
