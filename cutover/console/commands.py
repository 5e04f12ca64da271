"""What the buttons do: each runs the command that is shown beside it, in a process of its own that outlives the console."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cutover.console.sessions import Role
from cutover.console.verbs import APPROVE, BEGIN, HOLD, LABELS, NEEDS, REASON, REJECT, command_of, typed
from cutover.core.errors import CutoverError, Refused
from cutover.core.lease import Lease

WORD = 30.0  # seconds within which a command that only leaves a word has ended
SOON = 5.0  # seconds within which one that is refused has; what goes on longer is at work
LONGEST = 1000  # characters of a reason
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
WORDS_ONLY = (HOLD, APPROVE, REJECT)
SPOKEN = ("gate", "role", "approve")
WAITS = 8
TAIL = 8192  # bytes of a log that are read for its last lines
REFUSED = (3, 4, 5)
SHOWN, KEPT = 5, 100  # what was asked for: on the page, and remembered


class Ended(CutoverError):
    """The command that a button stands for has failed; the message is what it said.

    `refused`: it was refused before anything was done; else how far it came stands in the journal.
    """

    def __init__(self, message: str, *, next_command: str, refused: bool) -> None:
        super().__init__(message, next_command=next_command)
        self.refused = refused


@dataclass
class Asked:
    """What was asked for with a button: by whom, when (seconds since the epoch), and what became of it so far."""

    verb: str
    who: str
    at: float
    pid: int
    log: Path
    child: subprocess.Popen[bytes] = field(repr=False)
    code: int | None = None
    said: str = ""

    def look(self) -> None:
        """Sees whether it has ended."""
        if self.code is None:
            self.code = self.child.poll()
            self.said = _last(self.log)


@dataclass
class Commands:
    """Runs a verb's command in `folder`; `holder` is who walks the run now.

    The process runs as whoever started the console, names in the journal who has asked, writes what it says into `logs`, and
    goes on when the console ends. The console itself never writes to journal, databases or AWS.
    """

    environment: str
    holder: Callable[[], Lease | None]
    logs: Path
    folder: Path = field(default_factory=Path.cwd)
    needs: Mapping[str, Role] = field(default_factory=lambda: NEEDS)
    asked: list[Asked] = field(default_factory=list)

    def told(self) -> Sequence[Asked]:
        """What was asked for from here last, the newest first, each as it is by now."""
        newest = self.asked[: -SHOWN - 1 : -1]
        for one in newest:
            one.look()
        return newest

    def do(self, verb: str, who: str, words: Mapping[str, str]) -> str:
        """Returns in a sentence what came of it; raises CutoverError where it was refused or has failed."""
        holder = self.holder()
        spoken = _checked(words)
        command = command_of(verb, self.environment, holder, spoken)
        shown = typed(command_of(verb, self.environment, holder, {**spoken, "reason": REASON, "approve": ""}))
        if words.get("command", shown).replace(" --approve START_DIGEST", "") != shown:
            raise Refused("what is done by this button is another command by now; close, and look again")
        log = self.logs / f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{verb}-{os.urandom(2).hex()}.log"
        child = self._started(command, who, log)
        one = Asked(verb, who, time.time(), child.pid, log, child)
        self.asked.append(one)
        del self.asked[:-KEPT]
        try:
            code = child.wait(timeout=WORD if holder is not None or verb in WORDS_ONLY else SOON)
        except subprocess.TimeoutExpired:
            return f"{LABELS[verb]}: process {child.pid} is at it for {who}; the page shows how it ends, and all is in {log}"
        one.look()
        said = one.said
        if code == 0 or (code == WAITS and verb != BEGIN):
            return said or f"{LABELS[verb]}: done"
        raise Ended(said or f"it ended with {code}", next_command=typed(command), refused=code in REFUSED)

    def _started(self, command: Sequence[str], who: str, log: Path) -> subprocess.Popen[bytes]:
        self.logs.mkdir(parents=True, exist_ok=True, mode=0o700)
        environ = {**os.environ, "CUTOVER_WHO": who, "NO_COLOR": "1"}
        with os.fdopen(os.open(log, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as output:
            output.write(f"$ {typed(command)}\n".encode())
            output.flush()
            return subprocess.Popen(
                [sys.executable, "-m", "cutover.cli.main", *command[1:]],
                cwd=self.folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C at the console's terminal must not reach it
            )


def _checked(words: Mapping[str, str]) -> dict[str, str]:
    """The words that a command takes; raises Refused where one of them can be none."""
    reason = words.get("reason", "").strip()
    if len(reason) > LONGEST:
        raise Refused(f"a reason has at most {LONGEST} characters, not {len(reason)}")
    odd = {
        name: words[name]
        for name in SPOKEN
        if not re.fullmatch(r"([A-Za-z0-9_.][A-Za-z0-9_.-]{0,79})?", words.get(name, ""))
    }
    if odd:
        raise Refused(f"{', '.join(odd)}: not the name of anything here")
    # A line of the record is one line.
    clean = " ".join("".join(letter if letter.isprintable() else " " for letter in reason).split())
    # Invoke takes a word that begins with a dash for a flag, even behind `--reason=`.
    clean = f" {clean}" if clean.startswith("-") else clean
    return {"reason": clean, **{name: words.get(name, "") for name in SPOKEN}}


def _last(log: Path) -> str:
    """What the command said, without its own line and what only moved on a terminal; at most its last four lines."""
    with log.open("rb") as file:  # a run of days says megabytes, and is looked at twice a second
        file.seek(max(0, log.stat().st_size - TAIL))
        said = file.read().decode(errors="replace")
    lines = [ANSI.sub("", line).strip() for line in said.splitlines()[1:]]
    return "\n".join([line for line in lines if line][-4:])
