"""A Grafana of our own, as strict as its HTTP API says: dashboards, folders, versions and a token."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "glsa_t0psecret"
FOLDERS = ("", "cutover", "elsewhere")


class GrafanaFake:
    """`dashboards` by uid, each with its folder; `saves` counts what was written; `lose` answers are not given."""

    def __init__(self) -> None:
        self.dashboards: dict[str, dict[str, Any]] = {}
        self.folders: dict[str, str] = {}
        self.provisioned: set[str] = set()
        self.saves = 0
        self.lose = 0
        self.before_save: Callable[[], None] = lambda: None
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(fake.get(self.path))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                typed = self.headers.get("Content-Type") == "application/json"
                self._answer(fake.post(self.path, body, typed), acts=True)

            def do_DELETE(self) -> None:
                self._answer(fake.delete(self.path), acts=True)

            def _answer(self, answer: tuple[int, dict[str, Any]], *, acts: bool = False) -> None:
                status, said = answer
                if acts and fake.lose:
                    fake.lose -= 1
                    return
                data = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def parse_request(self) -> bool:
                if not super().parse_request():
                    return False
                # "Authenticating API requests": a bearer token, else 401.
                if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                    self.rfile.read(int(self.headers.get("Content-Length", "0")))
                    self._answer((401, {"message": "Invalid API key"}))
                    return False
                return True

            def log_message(self, format: str, *args: Any) -> None:
                """Silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        """Dashboard HTTP API, "Get dashboard by uid"."""
        uid = path.removeprefix("/api/dashboards/uid/")
        if uid not in self.dashboards:
            return 404, {"message": "Dashboard not found"}
        return 200, {"dashboard": self.dashboards[uid], "meta": {"folderUid": self.folders[uid]}}

    def post(self, path: str, body: bytes, typed: bool) -> tuple[int, dict[str, Any]]:
        """Dashboard HTTP API, "Create / Update dashboard"; a dashboard without a folder goes to the top."""
        if path != "/api/dashboards/db":
            return 404, {"message": "Not found"}
        try:
            asked = json.loads(body)
            document = dict(asked["dashboard"])
        except (ValueError, KeyError, TypeError):
            return 400, {"message": "bad request data"}
        if not typed or not document.get("title"):
            return 400, {"message": "Dashboard title cannot be empty", "status": "empty-name"}
        uid, folder = str(document.get("uid") or ""), str(asked.get("folderUid") or "")
        if not 0 < len(uid) <= 40:
            return 400, {"message": "uid too long, max 40 characters"}
        if folder not in FOLDERS:
            return 404, {"message": "folder not found"}
        self.before_save()
        there = self.dashboards.get(uid)
        if document.get("id") is not None and (there is None or there["id"] != document["id"]):
            return 404, {"message": "Dashboard not found", "status": "not-found"}
        if uid in self.provisioned:
            return 400, {"message": "Cannot save provisioned dashboard"}
        if there is not None and not asked.get("overwrite") and document.get("version") != there["version"]:
            said = "The dashboard has been changed by someone else"
            return 412, {"message": said, "status": "version-mismatch"}
        same = (one for one in self.dashboards if one != uid and self.folders[one] == folder)
        if not asked.get("overwrite") and any(self.dashboards[one]["title"] == document["title"] for one in same):
            said = "A dashboard with the same name in the folder already exists"
            return 412, {"message": said, "status": "name-exists"}
        version = there["version"] + 1 if there else 1
        self.saves += 1
        number = there["id"] if there else len(self.dashboards) + 7
        self.dashboards[uid] = {**document, "id": number, "version": version}
        self.folders[uid] = folder
        return 200, {"uid": uid, "status": "success", "version": version}

    def delete(self, path: str) -> tuple[int, dict[str, Any]]:
        """Dashboard HTTP API, "Delete dashboard by uid"."""
        if self.dashboards.pop(path.removeprefix("/api/dashboards/uid/"), None) is None:
            return 404, {"message": "Dashboard not found"}
        self.saves += 1
        return 200, {"message": "Dashboard deleted"}
