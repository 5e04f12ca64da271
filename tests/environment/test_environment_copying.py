"""`database.schema` and `database.copy`: what they mean when they are left out, and sizes as people write them."""

import pydantic
import pytest

from cutover.environment.copying import Copy


def test_nothing_changes_for_who_says_nothing() -> None:
    assert (Copy().method, Copy().jobs, Copy().parallel_above) == ("table-sync", 4, 1 << 30)


@pytest.mark.parametrize(
    ("written", "read"),
    [("64MB", 64 << 20), ("1GB", 1 << 30), ("2TB", 2 << 40), ("2048kB", 2 << 20), (1048576, 1 << 20)],
)
def test_a_size_is_read(written: object, read: int) -> None:
    assert Copy.model_validate({"parallel_above": written}).parallel_above == read


@pytest.mark.parametrize("written", ["1 GB", "1gb", "0", "100kB", "-1GB", "1.5GB", True, None, [], "9999999999TB"])
def test_what_is_no_size_is_refused(written: object) -> None:
    with pytest.raises(pydantic.ValidationError, match="wants a size such as 64MB"):
        Copy.model_validate({"parallel_above": written})
