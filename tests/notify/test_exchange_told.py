"""What an exchange that fails says: the certificate by its fault, and never a header, which may be a token."""

import socket
import ssl
import threading
from contextlib import suppress

import pytest

from cutover.core.clock import Deadline
from cutover.metrics.exchange import NoAnswer, exchanged


def told(url: str, headers: dict[str, str]) -> str:
    with pytest.raises(NoAnswer) as failed:
        exchanged("GET", url, Deadline.after(10), headers)
    return str(failed.value)


@pytest.mark.parametrize("token", ["SECRET\r", "SECRET€"])
def test_a_header_that_cannot_be_sent_is_not_shown(token: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        said = told(f"http://127.0.0.1:{listener.getsockname()[1]}/", {"Authorization": f"Bearer {token}"})
    assert "SECRET" not in said and "cannot be sent" in said


def test_a_certificate_that_nobody_trusts_is_named(serving: ssl.SSLContext) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            peer, _ = listener.accept()
            with peer, suppress(OSError), serving.wrap_socket(peer, server_side=True):
                """The handshake is all that there is."""

        thread = threading.Thread(target=greet)
        thread.start()
        said = told(f"https://localhost:{listener.getsockname()[1]}/", {})
        thread.join(10)
    assert "certificate" in said.lower(), said
