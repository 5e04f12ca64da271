"""Starts the process whose children die where they are told; see dying.py."""

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


class Dying:
    """Children that die or stop where they are told."""

    def __init__(self, pair: Any) -> None:
        self.prefix = pair.blue.variable.removesuffix("_BLUE_DSN")
        environ = os.environ | {"PYTHONPATH": str(HERE.parents[1])}
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "dying.py")],
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, source: str, target: str, point: str, dead_man: float = 10.0, token: int = 0) -> tuple[int, str]:
        return self._ask(point=point, source=source, target=target, dead_man=dead_man, token=token)

    def walk(self, way: str, state: Path, point: str, **more: object) -> str:
        return self._ask(point=point, walk=way, state=str(state), **more)[1]

    def _ask(self, **asked: object) -> tuple[int, str]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"prefix": self.prefix, **asked}) + "\n")
        self.process.stdin.flush()
        return self.told()

    def told(self) -> tuple[int, str]:
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], 30.0)[0], "the dying process said nothing for 30 s"
        pid, how = self.process.stdout.readline().split()
        return int(pid), how

    def close(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        finally:
            self.process.kill()
            self.process.stdout.close()
