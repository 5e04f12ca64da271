"""A real Redis for tests."""

import shutil
import subprocess
import time
from pathlib import Path

import redis

from cutover.world.processes import free_port

PASSWORD = "s3cret-s3cret"


class Server:
    """A redis-server that writes every change to its disk before it answers."""

    def __init__(self, folder: Path, password: str = PASSWORD) -> None:
        program = shutil.which("redis-server")
        assert program, "there is no redis-server: apt-get install redis-server, or invoke test, which does"
        self._password = password
        self.port, self._folder = free_port(), folder
        self._command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--requirepass", password,
                         "--dir", str(folder), "--save", "", "--appendonly", "yes", "--appendfsync", "always"]  # fmt: skip
        self.start()

    @property
    def url(self) -> str:
        return f"redis://{f':{self._password}@' if self._password else ''}127.0.0.1:{self.port}/0"

    def start(self) -> None:
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        end = time.monotonic() + 30
        while True:
            try:
                with self.client() as client:
                    client.ping()
                return
            except redis.RedisError:
                assert time.monotonic() < end and self._process.poll() is None, (self._folder / "log").read_text()
            time.sleep(0.02)

    def client(self) -> "redis.Redis":
        return redis.Redis.from_url(self.url)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(10)
