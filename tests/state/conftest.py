"""Real places for the state: a file, and the local AWS endpoint as a process."""

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from places import Kept, in_postgres, in_s3, in_sqlite

from cutover.aws.session import Aws
from cutover.core.clock import Deadline
from cutover.world import ready_file, servers

BUCKET = "state-of-tests"


@pytest.fixture(scope="session")
def aws_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the local AWS endpoint writes its log and its calls."""
    return tmp_path_factory.mktemp("aws-world")


@pytest.fixture(scope="session")
def endpoint(aws_world: Path) -> Iterator[str]:
    """The local AWS endpoint with an empty bucket; its address is in this process's environment."""
    world = aws_world
    with (world / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "cutover.world.aws_endpoint", "--world", str(world)], stdout=log, stderr=log
        )
        try:
            url = f"http://127.0.0.1:{ready_file.wait_for(world, 'aws', seconds=60)['port']}"
            with pytest.MonkeyPatch.context() as patch:
                patch.delenv("AWS_PROFILE", raising=False)
                for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
                    patch.setenv(name, os.devnull)
                for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
                    patch.setenv(name, "local")
                patch.setenv("AWS_ENDPOINT_URL", url)
                Aws("us-east-1").call("s3", "CreateBucket", Deadline.after(60), Bucket=BUCKET)
                yield url
        finally:
            process.terminate()
            process.wait(timeout=10)


@pytest.fixture
def fault(endpoint: str) -> Iterator[Callable[..., None]]:
    """`fault("PutObject", lose_response=True)`: what the endpoint does with the next calls; `fault("")` forgets it all."""

    def control(method: str, body: dict[str, Any] | None = None) -> None:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{endpoint}/_world/faults", data=data, method=method)
        urllib.request.urlopen(request, timeout=5).close()

    yield (
        lambda operation, **order: (
            control("POST", {"operation": operation, **order}) if operation else control("DELETE")
        )
    )
    control("DELETE")


@pytest.fixture
def waiting(endpoint: str) -> Callable[[], list[dict[str, Any]]]:
    """The orders that no call has met yet."""

    def ask() -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{endpoint}/_world/faults", timeout=5) as answer:
            found: list[dict[str, Any]] = json.load(answer)
        return found

    return ask


@pytest.fixture(scope="session")
def aws(endpoint: str) -> Aws:
    """One for all: a client takes longer to make than a test to run."""
    return Aws("us-east-1")


@pytest.fixture
def s3(aws: Aws) -> Kept:
    return in_s3(aws, BUCKET, f"p{uuid4().hex[:12]}")


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The connection string of a real server's database, which any process may use."""
    with tempfile.TemporaryDirectory(prefix="cutover-state-") as folder:
        scratch = Path(folder)
        scratch.chmod(0o755)  # the server runs under another account
        account = servers.unprivileged()
        programs = servers.binaries(scratch, account)
        made = servers.create(
            "green", scratch=scratch, log=scratch / "log", account=account, programs=programs, extra={"fsync": "off"}
        )
        running = servers.start(made)
        try:
            yield made.dsn(database="postgres")
        finally:
            servers.halt(running)


@pytest.fixture
def postgres(server: str) -> Kept:
    return in_postgres(server)


@pytest.fixture(params=["sqlite", "s3", "postgres"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    """A fresh place of each kind."""
    if request.param == "sqlite":
        return in_sqlite(tmp_path)
    found: Kept = request.getfixturevalue(request.param)
    return found
