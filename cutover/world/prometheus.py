"""The local world's own Prometheus, where Debian's program is installed: it scrapes both shops each second."""

from __future__ import annotations

import json
import shutil
import urllib.request
from pathlib import Path

from cutover.world.processes import Process, WorldError, free_port, launch, poll, tail

NAME = "prometheus"
RULES, ALERTMANAGERS = "rules", "alertmanagers"
"""Below its folder: rule files that it reads, and files that name Alertmanagers (`[{"targets": ["127.0.0.1:9093"]}]`)."""
EVERY = "1s"
INSTALL = "apt-get install prometheus"


def program() -> str | None:
    """Where the program is; None where it is not installed."""
    return shutil.which(NAME)


def start(scratch: Path, log: Path, shops: dict[str, int], port: int = 0) -> Process:
    """A Prometheus that serves; `shops` are the ports to scrape, by side. Raises WorldError."""
    found = program()
    if found is None:
        raise WorldError("there is no Prometheus on this machine", next_command=INSTALL)
    folder = scratch / NAME  # what runs there is known to be ours
    for place in (folder, folder / RULES, folder / ALERTMANAGERS):
        place.mkdir(exist_ok=True)
    targets = [{"targets": [f"127.0.0.1:{shop}"], "labels": {"side": side}} for side, shop in shops.items()]
    words = {
        "global": {"scrape_interval": EVERY, "scrape_timeout": EVERY},
        "rule_files": [str(folder / RULES / "*.rules.yaml")],
        "alerting": {"alertmanagers": [{"file_sd_configs": [{"files": [str(folder / ALERTMANAGERS / "*.json")]}]}]},
        "scrape_configs": [{"job_name": "shop", "static_configs": targets}],
    }
    (folder / "prometheus.yml").write_text(json.dumps(words, indent=1) + "\n", encoding="utf-8")
    port = port or free_port()
    argv = [found, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}"]
    argv += [f"--web.listen-address=127.0.0.1:{port}", "--web.enable-lifecycle", "--log.level=warn"]
    # Not below an account of its own: whoever runs the world may already do all that it could.
    begun = launch(NAME, argv, log=log, cwd=folder)
    process = Process(NAME, begun.pid, begun.started, port)

    def seen() -> bool | None:
        if not process.alive:
            raise WorldError(f"prometheus ended while it was starting; its log {log} ends with:\n{tail(log)}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=2) as answer:
                return True if answer.status == 200 else None
        except OSError:
            return None

    poll(seen, 30.0, lambda: f"prometheus was not ready after 30 s; see {log}:\n{tail(log)}", pause=0.05)
    return process
