"""Servers for one test, messages, and a certificate of our own."""

import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from notify.web import Raw, Smtp, Web

from cutover.notify.message import Message, Severity


@pytest.fixture
def closed_after() -> Iterator[Callable[[Any], Any]]:
    kept: list[Any] = []

    def keep(server: Any) -> Any:
        kept.append(server)
        return server

    yield keep
    for server in kept:
        server.close()


@pytest.fixture
def web(closed_after: Callable[[Any], Any]) -> Callable[..., Web]:
    return lambda *answers: closed_after(Web(*answers))


@pytest.fixture
def raw(closed_after: Callable[[Any], Any]) -> Callable[..., Raw]:
    return lambda behave: closed_after(Raw(behave))


@pytest.fixture
def smtp(closed_after: Callable[[Any], Any]) -> Callable[..., Smtp]:
    return lambda *arguments, **named: closed_after(Smtp(*arguments, **named))


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A key and a certificate for localhost, signed by itself."""
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return key, cert


@pytest.fixture
def serving(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    key, cert = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


@pytest.fixture
def trusting(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate[1])


def a_message(**more: Any) -> Message:
    about: dict[str, Any] = {
        "key": "toy/r1/7", "environment": "toy", "run": "r1", "event": "phase", "severity": Severity.INFO,
        "title": "toy: phase window has begun", "at": 1_000_000.0, "next_command": "invoke status --env toy",
    }  # fmt: skip
    return Message(**{**about, **more})
