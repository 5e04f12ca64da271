"""Stores by their addresses: what opens what, what is refused, and that nothing is imported or told too early."""

import subprocess
import sys

import pytest

from cutover.routing import FileStore, open_store


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("file:/etc/shop/flags.json", "file:/etc/shop/flags.json"),
        ("file:///etc/shop/my%20flags.json", "file:/etc/shop/my flags.json"),
        ("sqlite:/var/lib/shop/flags.sqlite", "sqlite:/var/lib/shop/flags.sqlite"),
        ("ssm:/shop/flags", "ssm:/shop/flags"),
        ("ssm:shop/flags/?region=eu-west-1", "ssm:/shop/flags in eu-west-1"),
        ("postgresql://app:s3cret@db.example:5433/shop", "postgresql:db.example:5433/shop cutover_flags"),
        ("redis://:s3cret@cache.example:6380/2", "redis:cache.example:6380/2 cutover:flags"),
        ("rediss://cache.example/0", "redis:cache.example/0 cutover:flags"),
    ],
)
def test_an_address_opens_its_store_and_tells_no_secret(url: str, where: str) -> None:
    assert open_store(url).where == where


def test_a_password_that_breaks_the_address_is_not_told() -> None:
    with pytest.raises(ValueError, match="percent-encoded") as refused:
        open_store("redis://:s3cret#x@cache.example")
    assert "s3cret" not in str(refused.value)


def test_a_file_is_looked_at_by_the_requests_themselves() -> None:
    store = open_store("file:/etc/shop/flags.json")
    assert isinstance(store, FileStore) and store.inline


@pytest.mark.parametrize("url", ["", "flags.json", "mysql:/s3cret", "sqlite:", "file:", "C:\\flags", "s3cret://a:s3cret@b"])  # fmt: skip
def test_an_unknown_one_lists_the_known_and_shows_nothing_of_it(url: str) -> None:
    with pytest.raises(ValueError, match="known are file:, sqlite:, postgresql:") as refused:
        open_store(url)
    assert "a:s3cret" not in str(refused.value)


def test_a_file_needs_a_path_and_a_server_a_connection_string() -> None:
    with pytest.raises(ValueError, match="wants the path of a file"):
        open_store("file://host/flags.json")
    with pytest.raises(ValueError, match="cannot be read") as refused:
        open_store("postgresql://app:s3cret@[db/shop")
    assert "s3cret" not in str(refused.value)


def test_the_library_imports_nothing_of_any_store() -> None:
    script = (
        "import sys; import cutover.routing; cutover.routing.open_store('file:/a'); "
        "bad = {'psycopg', 'redis', 'boto3', 'botocore', 'sqlite3'} & set(sys.modules); assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
