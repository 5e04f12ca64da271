"""A small web server of our own that says in its header and in its body which side it is."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Web:
    """`side()` is asked for each request; None gives an answer without a tag."""

    def __init__(self, side: Callable[[], str | None]) -> None:
        self.requests: list[dict[str, str]] = []
        self.connections: set[Any] = set()
        web = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                web.requests.append({"path": self.path, **self.headers})
                web.connections.add(self.client_address)
                told = side()
                body = json.dumps({"app": {"version": told}}).encode()
                self.send_response(200 if told else 502)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Set-Cookie", "stick=to-me")
                if told:
                    self.send_header("X-Version", told)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
