"""Where an environment's word leads, and what the store asks of AWS."""

from pathlib import Path

import pytest

from cutover.aws.session import Aws
from cutover.state.postgres import PostgresState
from cutover.state.s3 import S3State
from cutover.state.sqlite import SqliteState
from cutover.stores import Place


def place(address: str, folder: Path) -> Place:
    return Place("prod", lambda: address, folder / "home" / "prod.sqlite", Aws("us-east-1"))


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("sqlite", SqliteState),
        ("s3://shop-cutovers/state", S3State),
        ("postgresql://state.example.com/cutover", PostgresState),
        ("host=state.example.com password=hunter2", PostgresState),
    ],
)
def test_nothing_is_connected_before_it_is_asked(address: str, kind: type, tmp_path: Path) -> None:
    state = place(address, tmp_path).open()
    assert type(state) is kind
    state.close()


def test_looking_makes_no_file(tmp_path: Path) -> None:
    local = place("sqlite", tmp_path)
    assert local.open_recorded() is None and not list(tmp_path.iterdir())
    local.open().close()
    found = local.open_recorded()
    assert found is not None
    found.close()


def test_environments_share_a_prefix_and_no_object(tmp_path: Path) -> None:
    state = place("s3://shop-cutovers/state/", tmp_path).open()
    assert isinstance(state, S3State) and state.where == "s3://shop-cutovers/state/prod"
    wanted = {(one.operation, one.resource) for one in place("s3://shop-cutovers/state", tmp_path).permissions()}
    assert wanted == {
        ("GetObject", "arn:aws:s3:::shop-cutovers/state/prod/*"),
        ("PutObject", "arn:aws:s3:::shop-cutovers/state/prod/*"),
        ("ListObjectsV2", "arn:aws:s3:::shop-cutovers"),
    }
    assert not list(place("sqlite", tmp_path).permissions())
