"""Stores of flags for the toolkit: opened for one piece of work, by our own way to AWS, and unable to write in a dry-run."""

from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cutover.core.errors import ConfigurationRefused, Refused, Unreachable
from cutover.routing import Flag, FlagWrong, Store, Unavailable, open_store
from cutover.routing.ssm_store import SsmRefused, SsmStore

__all__ = ["AwsCall", "ReadOnly", "Store", "opened", "prepare"]

AwsCall = Callable[[str | None, str, dict[str, Any]], dict[str, Any]]
"""(region, None for the environment's own; operation; parameters) → SSM's answer; raises Unreachable, with a `code` of AWS's."""


@dataclass(frozen=True)
class ReadOnly:
    """A store that refuses to write, for dry-runs."""

    store: Store

    @property
    def where(self) -> str:
        return self.store.where

    @property
    def inline(self) -> bool:
        return self.store.inline

    def mark(self) -> Hashable:
        return self.store.mark()

    def all(self) -> Mapping[str, Flag | FlagWrong]:
        return self.store.all()

    def put(self, flag: Flag, expected_version: int) -> Flag:
        raise Refused(f"read-only: {self.where} was not written to")

    def wait(self, mark: Hashable, seconds: float) -> None:
        self.store.wait(mark, seconds)


@contextmanager
def opened(address: str, aws: AwsCall | None = None, *, read_only: bool = False) -> Iterator[Store]:
    """The store at an address while the body runs; raises ConfigurationRefused, which does not show the address."""
    try:
        store = _ssm(address, aws) if address.startswith("ssm:") and aws else open_store(address)
    except ValueError as error:
        raise ConfigurationRefused([f"a store of flags: {error}"]) from None
    except ImportError as error:
        raise Refused(
            f"the client of this store is not installed ({error.name})", next_command=f"pip install {error.name}"
        ) from None
    try:
        yield ReadOnly(store) if read_only else store
    finally:
        if (close := getattr(store, "close", None)) is not None:
            close()


def prepare(store: Store) -> None:
    """Makes what the store needs for its first flag, where it needs something; raises Unreachable."""
    make = getattr(store, "prepare", None)
    try:
        if make is not None:
            make()
    except Unavailable as error:
        raise Unreachable(str(error)) from error


def _ssm(address: str, aws: AwsCall) -> Store:
    at = urlsplit(address)
    region = parse_qs(at.query).get("region", [None])[0]

    def call(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        try:
            return aws(region, operation, parameters)
        except Unreachable as error:
            raise SsmRefused(error.message, str(getattr(error, "code", ""))) from error

    return SsmStore(at.netloc + at.path, region=region, call=call)
