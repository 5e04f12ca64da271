"""An AWS endpoint of a measurement's own, with the local world's load balancers."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cutover.world import processes
from cutover.world.seed_aws import seed

LOCAL = {
    "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_EC2_METADATA_DISABLED": "true",
}  # fmt: skip


@contextmanager
def local_aws(folder: Path) -> Iterator[None]:
    """While it lasts, clients that are made in this process reach the endpoint and nothing else; its files are in `folder`."""
    log, before = folder / "log", dict(os.environ)
    process = processes.launch(
        "aws",
        [sys.executable, "-m", "cutover.world.aws_endpoint", "--world", str(folder)],
        log=log,
        env={**before, **LOCAL},
    )
    try:
        port = processes.wait_ready(process, folder, log=log, deadline=60.0)["port"]
        os.environ.pop("AWS_PROFILE", None)
        os.environ.update(LOCAL | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"})
        seed(blue_port=processes.free_port(), green_port=processes.free_port())
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        processes.stop([process])
