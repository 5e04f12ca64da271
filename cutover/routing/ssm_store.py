"""Flags in SSM parameters, one each below a path; a lost race is found in the history, and put right by who lost it."""

import threading
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from typing import Any

from cutover.routing import forking
from cutover.routing.flag import Flag, FlagWrong
from cutover.routing.ssm_history import Entry, note, restoring, standing
from cutover.routing.store import Conflict, Unavailable

PATIENCE = 2.0  # seconds for a connection, and for an answer
RESTORED_BY = 20.0  # seconds in which a write that lost a race is put right
POLL = 5.0  # seconds between looks while waiting; AWS counts GetParametersByPath by account (40 a second at first)


METHODS = {
    "GetParameterHistory": "get_parameter_history",
    "GetParametersByPath": "get_parameters_by_path",
    "PutParameter": "put_parameter",
}
Call = Callable[[str, dict[str, Any]], dict[str, Any]]
"""(operation, parameters) → the answer; raises SsmRefused, or Unavailable."""


class SsmRefused(Unavailable):
    """AWS answered with an error; `code` is its name."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class SsmStore:
    """A parameter of type String for each flag, called `path/NAME`; AWS takes 4 KB in each.

    AWS writes without a condition. So each write says over which version it goes; where two did at once, the first one
    stands by the parameter's history, and the other one puts it back and is told Conflict. Between the two writes readers may
    see the loser's for a moment (two calls to AWS; where the loser dies there, until the next change).

    `call` asks AWS in this store's place, where calls have to go through a client of your own.
    """

    inline = False

    def __init__(
        self,
        path: str,
        *,
        region: str | None = None,
        patience: float = PATIENCE,
        poll: float = POLL,
        call: Call | None = None,
    ) -> None:
        self._path = "/" + path.strip("/")
        self._region, self._patience, self._poll = region, patience, poll
        self.where = f"ssm:{self._path}" + (f" in {region}" if region else "")
        self._call = call or self._asked
        self._begin()
        forking.remember(self)

    def _begin(self) -> None:
        self._client: Any = None
        self._one_at_a_time = threading.Lock()

    def forked(self) -> None:
        self._begin()

    def mark(self) -> Hashable:
        return frozenset((one["Name"], one["Version"], one["Value"]) for one in self._parameters())

    def all(self) -> Mapping[str, Flag | FlagWrong]:
        texts = {one["Name"].rpartition("/")[2]: one["Value"] for one in self._parameters()}
        return {name: Flag.read(text, name) for name, text in texts.items()}

    def put(self, flag: Flag, expected_version: int) -> Flag:
        stored, until = replace(flag, version=expected_version + 1), time.monotonic() + RESTORED_BY
        history = self._history(flag.name)
        base = standing(history)
        stood = None if base is None else Flag.read(base.text, flag.name)
        found = stood if isinstance(stood, Flag) else None
        if (found.version if found else 0) != expected_version:
            raise Conflict(self.where, flag, expected_version, found)
        told = note(base.version if base else 0)
        if base is None:
            # The one condition that AWS knows: not over a parameter that is there.
            if self._written(flag.name, stored.text(), told, over=False):
                return stored
            return self.put(flag, expected_version)
        version = self._sent(flag.name, stored.text(), told)
        if version == history[-1].version + 1:
            return stored
        winner = self._put_right(flag.name, until)
        if winner.note == told:
            return stored
        seen = Flag.read(winner.text, flag.name)
        raise Conflict(self.where, flag, expected_version, seen if isinstance(seen, Flag) else None)

    def wait(self, mark: Hashable, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, self._poll))
            if left > self._poll and self.mark() != mark:
                return

    def _sent(self, name: str, text: str, told: str) -> int:
        """The version that our write got; where its answer was lost, by its note in the history."""
        try:
            return self._written(name, text, told)
        except Unavailable:
            ours = [one.version for one in self._history(name) if one.note == told]
            if not ours:
                raise
            return ours[-1]

    def _put_right(self, name: str, until: float) -> Entry:
        """Makes what stands by the history the newest version; returns who wrote it."""
        while True:
            history = self._history(name)
            winner = standing(history)
            if winner is None:
                raise Unavailable(f"{self.where}: {name} was deleted while it was written")
            if history[-1].text == winner.text:
                return winner.origin(history)
            if time.monotonic() > until:
                raise Unavailable(f"{self.where}: {name} is written by many at once; look which one stands")
            self._written(name, winner.text, restoring(winner.origin(history).version))

    def _written(self, name: str, text: str, told: str, *, over: bool = True) -> int:
        """The version that a write got, 0 for one that was refused because the parameter is there."""
        asked = {"Name": f"{self._path}/{name}", "Value": text, "Type": "String", "Description": told}
        try:
            return int(self._call("PutParameter", {**asked, "Overwrite": over})["Version"])
        except SsmRefused as refused:
            if refused.code == "ParameterAlreadyExists":
                return 0
            raise

    def _history(self, name: str) -> list[Entry]:
        """The versions that AWS still has (100 of them), oldest first; none where there is no such parameter."""
        try:
            found = self._pages("GetParameterHistory", {"Name": f"{self._path}/{name}"})
        except SsmRefused as refused:
            if refused.code == "ParameterNotFound":
                return []
            raise
        entries = [Entry(int(one["Version"]), one["Value"], one.get("Description", "")) for one in found]
        return sorted(entries, key=lambda one: one.version)

    def _parameters(self) -> list[dict[str, Any]]:
        return self._pages("GetParametersByPath", {"Path": self._path})

    def _pages(self, operation: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        token: dict[str, str] = {}
        while True:
            page = self._call(operation, {**asked, **token})
            found += page["Parameters"]
            if not page.get("NextToken"):
                return found
            token = {"NextToken": page["NextToken"]}

    def _asked(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer: dict[str, Any] = getattr(self._aws(), METHODS[operation])(**parameters)
            return answer
        except ClientError as error:
            raise SsmRefused(f"{self.where}: {error}", str(error.response["Error"]["Code"])) from error
        except (BotoCoreError, OSError) as error:
            raise Unavailable(f"{self.where}: {error}") from error

    def _aws(self) -> Any:
        import boto3
        from botocore.config import Config

        with self._one_at_a_time:
            if self._client is None:
                limits = Config(
                    connect_timeout=self._patience, read_timeout=self._patience, retries={"total_max_attempts": 1}
                )
                self._client = boto3.session.Session().client("ssm", region_name=self._region, config=limits)
            return self._client
