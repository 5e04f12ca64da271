"""The local AWS endpoint as a real process, seeded as before a cutover, and the aws command."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from local_aws import Endpoint, Target

from cutover.world import ready_file

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_PAGER": "",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


@pytest.fixture(scope="session")
def _endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    world = tmp_path_factory.mktemp("aws-world")
    with (world / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "cutover.world.aws_endpoint", "--world", str(world)], stdout=log, stderr=log
        )
        blue, green = Target(), Target()
        try:
            port = ready_file.wait_for(world, "aws", seconds=60)["port"]
            endpoint = Endpoint(world, f"http://127.0.0.1:{port}", blue, green)
            with pytest.MonkeyPatch.context() as patch:
                _point_at(endpoint, patch)
                endpoint.start()
            yield endpoint
        finally:
            process.terminate()
            process.wait(timeout=10)
            blue.close()
            green.close()


@pytest.fixture
def endpoint(_endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    _point_at(_endpoint, monkeypatch)
    yield _endpoint
    _endpoint.reset()


def _point_at(endpoint: Endpoint, patch: pytest.MonkeyPatch) -> None:
    patch.delenv("AWS_PROFILE", raising=False)
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": endpoint.url}.items():
        patch.setenv(name, value)


@pytest.fixture
def bash(aws_cli: str, endpoint: Endpoint) -> Callable[[str], str]:
    """Runs what a step prints, as a person would who pastes it; fails with its output."""

    def run(script: str, *, ok: bool = True) -> str:
        path = f"{aws_cli}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            env={**os.environ, "PATH": path},
            check=False,
            capture_output=True,
            text=True,
            timeout=90,
        )
        assert (done.returncode == 0) is ok, f"{script}\nended with {done.returncode}: {done.stderr}"
        return done.stdout if ok else done.stderr

    return run
