"""Secrets that are planted, servers that say them back, and all the shapes in which they could be seen again."""

import json
import socketserver
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, quote_plus

PERCENT = "canary-Blue%zz+/ä"
SECRETS = {
    "BLUE": f"postgresql://shop:{PERCENT}@127.0.0.1:1/shop",  # libpq repeats what it cannot decode
    "GREEN": "host=127.0.0.1 port=1 dbname=shop user=u password=canary-Green-1 canary-Green-2",
    "BLUE_OPTIONS": "postgresql://shop:canary-Reverse-3@127.0.0.1:1/shop?options=-c%20x%3D1",
    "SLACK": "http://127.0.0.1:{http}/services/canary-Slack-4",
    "PAGER": "canary-Pager-5",
    "HOOK": "http://127.0.0.1:{http}/hook/canary-Hook-6",
    "HOOK_SECRET": "canary-Signing-7",
    "SMTP_USER": "canary-Smtp-User-8",
    "SMTP_PASSWORD": "canary-Smtp-Pass-9",
    "PROMETHEUS": 'canary-Prom"<&>-10',
    "PROMETHEUS_PASSWORD": "canary-Basic-11",
    "REDIS": "canary-Redis-12",
    "GRAFANA": "canary-Grafana-13",
    "COMMAND_TOKEN": "canary-Command-14",
    "NOT_A_LINE": "canary-Two\nLines-15",
}
AWS = {
    "AWS_ACCESS_KEY_ID": "canary-AwsKeyId-16",
    "AWS_SECRET_ACCESS_KEY": "canary-AwsSecret-17",
    "AWS_SESSION_TOKEN": "canary-AwsSession-18",
    "GH_TOKEN": "canary-Github-19",
    "PGPASSWORD": "canary-PgPass-20",
}
PLANTED = (
    PERCENT,
    *("canary-Green-1", "canary-Reverse-3", "canary-Slack-4", "canary-Hook-6", "canary-Two", "Lines-15"),
    *(
        SECRETS[name]
        for name in ("PAGER", "HOOK_SECRET", "SMTP_USER", "SMTP_PASSWORD", "PROMETHEUS", "REDIS", "GRAFANA")
    ),
    *(SECRETS["PROMETHEUS_PASSWORD"], SECRETS["COMMAND_TOKEN"], *AWS.values()),
)
ENVIRONMENT = """\
name: canary
description: Every place where a secret may come in
owners: {{decision: a, database: b, traffic: c, application: d}}
database: {{name: shop, blue: env:BLUE, green: env:GREEN, blue_from_green: env:BLUE_OPTIONS}}
hostnames:
  shop:
    host: shop.example.com
    carrier: {{kind: file, file: {folder}/flag}}
shift: {{soak: 1h}}
metrics:
  sources:
    prom: {{kind: prometheus, url: "http://127.0.0.1:{http}", token: env:PROMETHEUS}}
    basic: {{kind: prometheus, url: "http://127.0.0.1:{http}", user: u, password: file:{folder}/basic}}
    cache: {{kind: redis, blue: "127.0.0.1:{redis}", green: "127.0.0.1:{redis}", password: env:REDIS}}
    own: {{kind: command, variables: {{TOKEN: env:COMMAND_TOKEN}}}}
    broken: {{kind: command, variables: {{TOKEN: env:NOT_A_LINE}}}}
  figures:
    errors: {{source: prom, query: "up", unit: count, side: green}}
    basics: {{source: basic, query: "up", unit: count, side: green}}
    memory: {{source: cache, query: "used_memory", unit: bytes}}
    queue: {{source: own, query: "echo $TOKEN; exit 1", unit: count, side: green}}
    lines: {{source: broken, query: "echo $TOKEN; exit 1", unit: count, side: green}}
"""


def shapes(secret: str) -> Iterator[bytes]:
    """Plain, in an address, in JSON, in base64 and in hexadecimal."""
    raw = secret.encode()
    for text in (secret, quote(secret, safe=""), quote(secret), quote_plus(secret), json.dumps(secret)[1:-1]):
        yield text.encode()
    yield b64encode(raw)
    yield raw.hex().encode()


def leaked(content: bytes) -> list[str]:
    """The planted secrets that stand there in some shape."""
    return [secret for secret in PLANTED if any(shape in content for shape in shapes(secret))]


class _Web(BaseHTTPRequestHandler):
    """Refuses questions, and what is sent as its server is told, and repeats what it was given."""

    def _said(self) -> None:
        told = f"{self.path} {self.headers.get('Authorization')}"
        self.server.heard.append(told)  # type: ignore[attr-defined]
        body = json.dumps({"status": "error", "errorType": "bad", "error": told}).encode()
        self.send_response(self.server.posts if self.command == "POST" else 400)  # type: ignore[attr-defined]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _said

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Redis(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        said = self.request.recv(4096)
        self.server.heard.append(said.decode())  # type: ignore[attr-defined]
        self.request.sendall(b"-WRONGPASS " + said.replace(b"\r\n", b" ") + b"\r\n")


@contextmanager
def repeating(posts: int = 400) -> Iterator[tuple[int, int, list[str]]]:
    """Ports of a web server and of a Redis that repeat every secret they are told, and what they heard.

    What is posted is answered with the status `posts`.
    """
    heard: list[str] = []
    servers = ThreadingHTTPServer(("127.0.0.1", 0), _Web), socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Redis)
    for server in servers:
        server.heard, server.posts = heard, posts  # type: ignore[union-attr]
        threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield servers[0].server_address[1], servers[1].server_address[1], heard
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
