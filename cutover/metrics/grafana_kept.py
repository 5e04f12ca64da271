"""One dashboard in a Grafana: there as the figures say, or not there."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from shlex import quote
from typing import Any

from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed, Unreachable
from cutover.core.plain import digest
from cutover.core.step import Command, Step
from cutover.metrics.exchange import Answer, NoAnswer, exchanged

NONE, KEPT, EARLIER = "none", "as the environment says", "as it was before"
LOOK = 15.0  # seconds
GIVEN = ("id", "version")
"""What Grafana gives a dashboard: they are not ours to compare (HTTP API, "Dashboard")."""
FOUND = (
    "import json, sys; one = json.load(sys.stdin).get('dashboard'); "
    "print('none' if one is None else str(one['uid']) + ' version ' + str(one['version']))"
)
VERSION = "import json, sys; print(json.load(sys.stdin)['dashboard']['version'])"
PLACE = "import json, sys; print(json.load(sys.stdin)['meta'].get('folderUid') or '')"
END = "END_OF_DASHBOARD"


@dataclass(frozen=True)
class GrafanaServer:
    """A Grafana and the service account that may edit dashboards there; `folder` is the uid of where a new one goes."""

    url: Callable[[], str] = field(repr=False, compare=False)
    url_shell: str
    token: Callable[[], str] = field(repr=False, compare=False)
    token_shell: str
    """The token as a word of bash."""
    folder: str = ""
    ca: str | None = None

    def asked(self, method: str, path: str, deadline: Deadline, body: Mapping[str, Any] | None = None) -> Answer:
        """Whatever it answers; raises NoAnswer, and CutoverError where its address or the token cannot be found."""
        headers = {"Authorization": f"Bearer {self.token()}", "Accept": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        headers |= {} if data is None else {"Content-Type": "application/json"}
        return exchanged(method, f"{self.url().rstrip('/')}{path}", deadline, headers, data, ca=self.ca)

    def curl(self, path: str, *words: str) -> str:
        """A command that asks it; the token is in no list of processes."""
        trusted = ["--cacert", quote(self.ca)] if self.ca else []
        told = f"-H @<(printf 'Authorization: Bearer %s\\n' {self.token_shell})"
        return " ".join(["curl -sS --max-time 30", *trusted, told, *words, f"{self.url_shell}{path}"])


@dataclass(frozen=True)
class There:
    """A dashboard as Grafana has it."""

    document: Mapping[str, Any]
    version: int
    folder: str


@dataclass(frozen=True, kw_only=True)
class GrafanaKept(Step[str]):
    """What is measured can be seen where people look, side by side and with the bounds of the triggers.

    A dashboard changes nothing. One of the same uid that somebody has changed meanwhile is left alone, and so is its folder.
    """

    server: GrafanaServer
    document: str
    """JSON, without an id and a version."""
    earlier: str = ""
    """What stood there before, where it is replaced."""
    before: str = NONE
    after: str = KEPT

    @property
    def uid(self) -> str:
        return str(json.loads(self.document)["uid"])

    @property
    def called(self) -> str:
        """Its name among what is brought on its way."""
        return f"Grafana: {self.uid}"

    @property
    def resource(self) -> str:
        return f"grafana-dashboard:{self.uid}"

    def observe(self) -> str:
        return self.state(self.found(Deadline.after(LOOK)))

    def found(self, deadline: Deadline) -> There | None:
        """The dashboard, None where there is none (HTTP API, GET /api/dashboards/uid/:uid); raises Unreachable."""
        try:
            answer = self.server.asked("GET", f"/api/dashboards/uid/{self.uid}", deadline)
        except NoAnswer as error:
            raise Unreachable(f"Grafana: {error}") from error
        if answer.status == 404 and _message(answer) == "Dashboard not found":
            return None
        try:
            if answer.status != 200:
                raise ValueError
            said = json.loads(answer.body)
            document = dict(said["dashboard"])
            version = int(document["version"])
            kept = {key: value for key, value in document.items() if key not in GIVEN}
            return There(kept, version, str(said["meta"].get("folderUid") or ""))
        except (ValueError, KeyError, TypeError) as error:
            raise Unreachable(f"Grafana: status {answer.status}: {_message(answer)}") from error

    def state(self, there: There | None) -> str:
        if there is None:
            return NONE
        if there.document == json.loads(self.document):
            return KEPT
        if self.earlier and there.document == json.loads(self.earlier):
            return EARLIER
        return f"another dashboard of that uid ({digest(there.document)[:12]})"

    def commands(self, target: str) -> Sequence[Command]:
        if target not in (NONE, KEPT, EARLIER) or (target == EARLIER and not self.earlier):
            raise ValueError(f"{self.name}: {target!r} is no state of this dashboard")
        return (SetDashboard(self, target),)

    def check_shell(self) -> str:
        return f"{self.server.curl(f'/api/dashboards/uid/{self.uid}')} | python3 -c {quote(FOUND)}"


@dataclass(frozen=True)
class SetDashboard(Command):
    """Writes the whole dashboard over the version that was looked at, or removes it."""

    step: GrafanaKept
    target: str

    def run(self, deadline: Deadline) -> None:
        while not self._written(deadline):
            if deadline.expired:
                raise StepFailed(f"{self.step.resource}: no answer came to a write, and it did not take effect")

    def _written(self, deadline: Deadline) -> bool:
        """One look and at most one write; False when its answer was lost."""
        step = self.step
        there = step.found(deadline)
        seen = step.state(there)
        if seen == self.target:
            return True
        if seen not in (step.before, step.after, *step.between):
            raise StepFailed(f"{step.resource} changed under our hands: {seen}; nothing was written")
        try:
            if self.target == NONE:
                answer = step.server.asked("DELETE", f"/api/dashboards/uid/{step.uid}", deadline)
            else:
                answer = step.server.asked("POST", "/api/dashboards/db", deadline, self._body(there))
        except NoAnswer:
            return False
        if answer.status == 404 and self.target == NONE:
            return False  # somebody else removed it: looked at again
        if answer.status == 412:
            raise StepFailed(f"{step.resource} changed under our hands: {_message(answer)}; nothing was written")
        if answer.status != 200:
            raise StepFailed(f"{step.resource}: Grafana refused (status {answer.status}): {_message(answer)}")
        return True

    def _body(self, there: There | None) -> dict[str, Any]:
        """Without `overwrite` Grafana takes it only over this version (HTTP API, POST /api/dashboards/db: 412)."""
        written = self.step.document if self.target == KEPT else self.step.earlier
        document = {**json.loads(written), "id": None, **({"version": there.version} if there else {})}
        # Without its folder a dashboard would move to the top.
        folder = there.folder if there else self.step.server.folder
        where = {"folderUid": folder} if folder else {}
        return {"dashboard": document, **where, "message": "invoke dashboards --apply", "overwrite": False}

    def shell(self) -> str:
        server, uid = self.step.server, self.step.uid
        if self.target == NONE:
            return server.curl(f"/api/dashboards/uid/{uid}", "--fail-with-body", "-X DELETE")
        written = self.step.document if self.target == KEPT else self.step.earlier
        replaced = EARLIER in (self.step.before, self.step.after)
        lines = ["(set -euo pipefail"]
        where = f"folder={quote(server.folder)}"
        head = '{"overwrite":false,"folderUid":"%s","dashboard":{"id":null,%s'
        if replaced:
            lines.append(f"there=$({server.curl(f'/api/dashboards/uid/{uid}', '--fail-with-body')})")
            lines.append(f'version=$(python3 -c {quote(VERSION)} <<< "$there")')
            where = f'folder=$(python3 -c {quote(PLACE)} <<< "$there")'
            head = '{"overwrite":false,"folderUid":"%s","dashboard":{"id":null,"version":\'"$version"\',%s'
        post = server.curl(
            "/api/dashboards/db", "--fail-with-body", "-X POST -H 'Content-Type: application/json' --data-binary @-"
        )
        lines += [
            where,
            f"document=$(cat <<'{END}'",
            f"{json.dumps(json.loads(written), ensure_ascii=True)[1:]}}}",
            END,
            ")",
            f'printf \'{head}\' "$folder" "$document" | {post})',
        ]
        return "\n".join(lines)


def _message(answer: Answer) -> str:
    """What Grafana says of itself, in one line."""
    try:
        said = json.loads(answer.body)
        text = str(said.get("message", "")) if isinstance(said, dict) else ""
    except ValueError:
        text = answer.body.decode("utf-8", "replace")
    shown = re.sub(r"\s+", " ", "".join(c if c.isprintable() else " " for c in text)).strip()
    return shown[:300] or "it says no reason"
