"""HTTP POST to a webhook: within a time that truly ends, without redirects, and with no word of its address in an error."""

import email.utils
import ipaddress
import socket
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
import requests.adapters
import requests.utils
import urllib3
import urllib3.connection
import urllib3.connectionpool
from requests import Session

from cutover.core.clock import Deadline
from cutover.notify.limited import Limit
from cutover.notify.message import NotDelivered

LONGEST_ANSWER = 4096  # bytes that are read of it
SHOWN = 200  # characters of a refusal that are told
LONGEST_PAUSE = 300.0  # seconds that a Retry-After may ask for
AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504, 507, 509, 520, 521, 522, 523, 524, 529})


def post(url: str, body: bytes, headers: Mapping[str, str], deadline: Deadline) -> str:
    """Sends `body` and returns the beginning of a 2xx answer; raises NotDelivered, which shows no part of `url`."""
    _is_safe(url)
    seconds = deadline.remaining()
    if seconds <= 0:
        raise NotDelivered("there was no time left to send it")
    limit = Limit(seconds)
    try:
        with Session() as session:
            session.trust_env = False  # no password from ~/.netrc may go along
            for scheme in ("http://", "https://"):
                session.mount(scheme, _Adapter(limit))
            answer = session.post(
                url,
                data=body,
                headers={"User-Agent": "cutover", **headers},
                timeout=seconds,
                allow_redirects=False,
                stream=True,
                proxies=requests.utils.get_environ_proxies(url),
            )
            with answer:
                text = (answer.raw.read(LONGEST_ANSWER, decode_content=False) or b"").decode(errors="replace")
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        # Nothing of the error's own text is told: it repeats the address, which is the secret.
        raise NotDelivered(_why(error, limit, seconds)) from None
    finally:
        limit.close()
    if limit.ended:
        raise NotDelivered(f"no whole answer within {seconds:.0f} s")
    if not 200 <= answer.status_code < 300:
        raise _refusal(answer.status_code, answer.headers, _shown(text, url))
    return text


def _is_safe(url: str) -> None:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        raise NotDelivered("the address is not a URL", again=False) from None
    if parts.scheme == "https" and host:
        return
    if parts.scheme != "http" or not _is_own_machine(host):
        raise NotDelivered("the address does not begin with https://", again=False)


def _is_own_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _why(error: Exception, limit: Limit, seconds: float) -> str:
    if limit.ended or isinstance(error, requests.Timeout):
        return f"no whole answer within {seconds:.0f} s"
    if isinstance(error, requests.exceptions.SSLError):
        return "the certificate is not trusted, or TLS failed"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy let nothing through"
    if isinstance(error, requests.exceptions.InvalidURL | ValueError):
        return "the address is not a URL that can be asked"
    return "no connection, or it was closed before the answer"


def _refusal(status: int, headers: Mapping[str, str], said: str) -> NotDelivered:
    told = f"answered {status}" + (f": {said}" if said else "")
    return NotDelivered(told, again=status in AGAIN, pause=_pause(headers.get("Retry-After", "")))


def _pause(written: str) -> float:
    """Retry-After in seconds (RFC 9110, section 10.2.3); 0 when there is none that can be read."""
    try:
        if written.strip().isdecimal():
            seconds = float(written)
        else:
            seconds = email.utils.parsedate_to_datetime(written).timestamp() - time.time()
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return min(max(0.0, seconds), LONGEST_PAUSE)


def _shown(text: str, url: str) -> str:
    """What the other side said, on one line and without what it may repeat of the address."""
    parts = [part for part in urlsplit(url).path.split("/") if len(part) > 3]
    for secret in (url, *parts, urlsplit(url).query):
        text = text.replace(secret, "…") if secret else text
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:SHOWN]


class _Adapter(requests.adapters.HTTPAdapter):
    """Gives each connection that is opened to the limit."""

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        super().init_poolmanager(*arguments, **named)
        self.poolmanager.pool_classes_by_scheme = _pools(self._limit)

    def proxy_manager_for(self, proxy: str, **named: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **named)
        manager.pool_classes_by_scheme = _pools(self._limit)
        return manager


def _pools(limit: Limit) -> dict[str, Any]:
    class Plain(urllib3.connection.HTTPConnection):
        def _new_conn(self) -> socket.socket:
            opened = super()._new_conn()
            limit.hold(opened)
            return opened

    class Secure(urllib3.connection.HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            opened = super()._new_conn()
            limit.hold(opened)
            return opened

        def _tunnel(self) -> None:
            super()._tunnel()
            if limit.ended:  # then a proxy's unfinished answer looks like a whole one
                raise TimeoutError("the proxy did not answer in time")

    class PlainPool(urllib3.connectionpool.HTTPConnectionPool):
        ConnectionCls: Any = Plain

    class SecurePool(urllib3.connectionpool.HTTPSConnectionPool):
        ConnectionCls: Any = Secure

    return {"http": PlainPool, "https": SecurePool}
