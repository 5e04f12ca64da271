"""Debian's own Prometheus, which scrapes a small exporter of the test several times a second."""

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cutover.core.clock import Deadline
from cutover.core.series import Reading, Span
from cutover.metrics.prometheus import Prometheus
from cutover.world.processes import free_port

EVERY = 0.25


class Exporter:
    """Serves `text` in the Prometheus text format."""

    def __init__(self) -> None:
        self.text = ""
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                with suppress(ConnectionError):  # Prometheus is ended in the middle of its scrapes
                    self.wfile.write(exporter.text.encode())

            def log_message(self, format: str, *args: Any) -> None:
                """Silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.port: int = self._server.server_address[1]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class Scraped:
    """A running Prometheus and what it scrapes."""

    def __init__(self, url: str, exporter: Exporter, rules: Path) -> None:
        self.url, self.exporter, self.rules = url, exporter, rules
        self.source = Prometheus(lambda: url, url, delay=2.0)

    def now(self, query: str, seconds: float = 3.0) -> Reading:
        until = time.time()
        return self.source.read(query, Span(until - seconds, until, EVERY), Deadline.after(20))

    def shows(self, query: str, wanted: float) -> None:
        """Waits until the newest value is this."""
        end = time.monotonic() + 30
        while (seen := self.now(query)).newest is None or seen.newest.value != wanted:
            assert time.monotonic() < end, seen
            time.sleep(0.1)

    def begins(self, selector: str) -> float:
        """A whole second since which these were scraped once; waits until they were."""
        since, end = float(int(time.time())), time.monotonic() + 30
        while not self.source.counters(selector, since, time.time(), Deadline.after(20)):
            assert time.monotonic() < end, selector
            time.sleep(0.05)
        return since


@contextmanager
def scraping(folder: Path) -> Iterator[Scraped]:
    """Prometheus on a free port, with its data below `folder`."""
    program = shutil.which("prometheus")
    assert program, "there is no prometheus: apt-get install prometheus, or invoke test, which does"
    exporter, port = Exporter(), free_port()
    config = folder / "prometheus.yml"
    scrape = {"job_name": "test", "static_configs": [{"targets": [f"127.0.0.1:{exporter.port}"]}]}
    every = {"scrape_interval": "250ms", "scrape_timeout": "250ms"}
    rules = folder / "rules"
    rules.mkdir()
    words = {"global": every, "scrape_configs": [scrape], "rule_files": [str(rules / "*.rules.yaml")]}
    config.write_text(json.dumps(words), encoding="utf-8")
    command = [program, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
               f"--web.listen-address=127.0.0.1:{port}", "--web.enable-lifecycle", "--log.level=warn"]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        scraped = Scraped(f"http://127.0.0.1:{port}", exporter, rules)
        exporter.text = "ready 1\n"
        scraped.shows("ready", 1)
        yield scraped
    finally:
        process.terminate()
        process.wait(20)
        exporter.close()
