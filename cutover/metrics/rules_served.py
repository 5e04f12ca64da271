"""The alerts of one environment in a Prometheus: a rule file that the server has read, or none."""

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote

import yaml

from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed, Unreachable
from cutover.core.plain import digest
from cutover.core.step import Command, Step
from cutover.metrics.alert_rules import HEAD, document
from cutover.metrics.exchange import NoAnswer
from cutover.metrics.prometheus import Prometheus

NONE, KEPT, EARLIER, PARTLY = (
    "none",
    "as the environment says",
    "as it was before",
    "written, and not what the server has read",
)
SUFFIX = ".rules.yaml"
LOOK = 15.0  # seconds
END = "END_OF_RULES"


def joined(environment: str, files: Sequence[str]) -> str:
    """One rule file of several, the same bytes for the same rules; empty where there is no rule."""
    groups = [group for text in files for group in yaml.safe_load(text)["groups"]]
    return HEAD.format(environment=environment) + document({"groups": groups}) if groups else ""


@dataclass(frozen=True, kw_only=True)
class RulesServed(Step[str]):
    """Prometheus goes on watching where nobody runs this program, with the same conditions.

    The file is called by its content, so that the server's list of rules says which one it has read; one that somebody else
    has put under such a name is left alone. A file that the server refuses is taken away again, and what it had stays.
    """

    server: Prometheus
    folder: Callable[[], str] = field(repr=False, compare=False)
    folder_shell: str
    """The same as a word of bash."""
    environment: str
    text: str
    earlier: str = ""
    """What stood there before, where it is replaced."""
    before: str = NONE
    after: str = KEPT
    between: frozenset[str] = frozenset({PARTLY})

    @property
    def called(self) -> str:
        """Its name among what is brought on its way."""
        return f"Prometheus: {self.file(self.text)}"

    @property
    def resource(self) -> str:
        return f"prometheus-rules:{self.environment}"

    def file(self, text: str) -> str:
        """The name of the file with this text."""
        return f"cutover-{self.environment}-{digest(text)[:12]}{SUFFIX}"

    def observe(self) -> str:
        return self.state(Deadline.after(LOOK))

    def state(self, deadline: Deadline) -> str:
        """Raises Unreachable where the folder or the server cannot be read."""
        there, served = self.written(), self._served(deadline)
        for name, text in there.items():
            if not text.startswith(HEAD.format(environment=self.environment)):
                return f"another file of that name ({name})"
        for word, text in ((KEPT, self.text), (EARLIER, self.earlier)):
            if text and there == {self.file(text): text} and served == {self.file(text)}:
                return word
        return PARTLY if there or served else NONE

    def commands(self, target: str) -> Sequence[Command]:
        if target not in (NONE, KEPT, EARLIER) or (target == EARLIER and not self.earlier):
            raise ValueError(f"{self.name}: {target!r} is no state of these rules")
        return (ServeRules(self, target),)

    def check_shell(self) -> str:
        ours = f"cutover-{self.environment}-[0-9a-f]{{12}}[.]rules[.]yaml"
        served = (
            f"{self.server.curl()}{self.server.url_shell}/api/v1/rules | (grep -oE {quote(ours)} || true) | sort -u"
        )
        return f"ls {self.folder_shell} | (grep -E {quote(f'^{ours}$')} || echo none)\n{served}"

    def written(self) -> dict[str, str]:
        """Our files in the folder, by name."""
        mine = re.compile(rf"cutover-{re.escape(self.environment)}-[0-9a-f]{{12}}{re.escape(SUFFIX)}")
        folder = Path(self.folder())
        try:
            names = sorted(name for name in os.listdir(folder) if mine.fullmatch(name))
            return {name: (folder / name).read_text(encoding="utf-8") for name in names}
        except (OSError, UnicodeDecodeError) as error:
            raise Unreachable(f"the folder of Prometheus' rules cannot be read: {error}") from error

    def _served(self, deadline: Deadline) -> set[str]:
        """The names of our files that the server has read (HTTP API, /api/v1/rules: each group names its file)."""
        try:
            answer = self.server.asked("/api/v1/rules", deadline)
            files = {str(group["file"]) for group in json.loads(answer.body)["data"]["groups"]}
        except NoAnswer as error:
            raise Unreachable(f"Prometheus: {error}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise Unreachable(f"Prometheus: status {answer.status}, and no list of rules") from error
        mine = re.compile(rf"cutover-{re.escape(self.environment)}-[0-9a-f]{{12}}{re.escape(SUFFIX)}")
        return {name for name in (file.rpartition("/")[2] for file in files) if mine.fullmatch(name)}


@dataclass(frozen=True)
class ServeRules(Command):
    """Writes the file, removes the one before, and has the server read its rules again."""

    step: RulesServed
    target: str

    def run(self, deadline: Deadline) -> None:
        while not self._served(deadline):
            if deadline.expired:
                raise StepFailed(f"{self.step.resource}: no answer came, and the server has not read the rules")

    def _served(self, deadline: Deadline) -> bool:
        """One look and at most one try; False when the server's answer was lost."""
        step = self.step
        seen = step.state(deadline)
        if seen == self.target:
            return True
        if seen not in (step.before, step.after, *step.between):
            raise StepFailed(f"{step.resource} changed under our hands: {seen}; nothing was written")
        stood = step.written()
        self._write(self._wanted())
        try:
            answer = step.server.asked("/-/reload", deadline, method="POST")
        except NoAnswer:
            return False
        if answer.status != 200:
            # The server goes on with the rules that it has; a file that it cannot read would keep it from starting again.
            self._write(stood)
            said = " ".join(answer.body.decode("utf-8", "replace").split())[:300]
            raise StepFailed(
                f"Prometheus did not read its rules again (status {answer.status}): {said}; what was there is there again",
                next_command="start it with --web.enable-lifecycle" if "ifecycle" in said else "",
            )
        return True

    def _wanted(self) -> Mapping[str, str]:
        text = {KEPT: self.step.text, EARLIER: self.step.earlier, NONE: ""}[self.target]
        return {self.step.file(text): text} if text else {}

    def _write(self, wanted: Mapping[str, str]) -> None:
        """Our files and no others; the new one first, because a rule that is read twice says the same."""
        folder = Path(self.step.folder())
        try:
            for name, text in wanted.items():
                draft = folder / f".{name}.draft"
                draft.write_text(text, encoding="utf-8")
                draft.chmod(0o644)
                draft.replace(folder / name)
            for name in self.step.written():
                if name not in wanted:
                    (folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise StepFailed(f"{folder}: the rules cannot be written: {error.strerror}") from error

    def shell(self) -> str:
        step = self.step
        ours = f"{step.folder_shell}/cutover-{step.environment}-????????????{SUFFIX}"
        lines = ["(set -euo pipefail"]
        for name, text in self._wanted().items():
            lines += [f"cat > {step.folder_shell}/{name} <<'{END}'", text.rstrip("\n"), END]
        kept = "".join(f" | (grep -vF {name} || true)" for name in self._wanted())
        lines.append(f"(ls {ours} 2>/dev/null || true){kept} | xargs -r -d '\\n' rm -f")
        lines.append(f"{step.server.curl()}--fail-with-body -X POST {step.server.url_shell}/-/reload)")
        return "\n".join(lines)
