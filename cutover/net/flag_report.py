"""Whether every instance of an application says that it goes by the share that was written."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from shlex import quote

import requests

from cutover.core.flag import READ, Flag
from cutover.core.gate import Check, Finding
from cutover.core.share import Share

CONNECT_SECONDS, READ_SECONDS, WHOLE_SECONDS = 2.0, 3.0, 6.0
LARGEST = 64 * 1024
AT_ONCE = 16


@dataclass(frozen=True, kw_only=True)
class ShareReported(Check):
    """A flag that was written has no effect before each instance of the application has read it.

    One that still goes by the old share sends its visitors to the other side; so each is asked which share it goes by.
    """

    wanted: Share
    flag: Flag
    urls: Callable[[], Sequence[str]] = field(repr=False, compare=False)
    shown: Sequence[str]
    """The addresses as a person types them."""

    def look(self) -> Finding:
        urls = self.urls()
        with ThreadPoolExecutor(min(AT_ONCE, len(urls))) as pool:
            found = dict(zip(urls, pool.map(self._asked, urls), strict=True))
        odd = {url: seen for url, seen in found.items() if seen != self.wanted}
        if not odd:
            return Finding.passed(f"{len(found)} of {len(found)} instances go by {self.wanted}")
        told = "; ".join(f"{url}: {seen}" for url, seen in odd.items())
        seen = f"{len(found) - len(odd)} of {len(found)} instances go by {self.wanted}; {told}"
        return Finding.not_yet(seen, "the application has not read the flag yet, or cannot")

    def _asked(self, url: str) -> Share | str:
        end = time.monotonic() + WHOLE_SECONDS
        timeout = (CONNECT_SECONDS, READ_SECONDS)
        try:
            with requests.get(url, timeout=timeout, stream=True, allow_redirects=False) as answer:
                if answer.status_code != 200:
                    return f"answers {answer.status_code}"
                body = b""
                while chunk := answer.raw.read1(4096, decode_content=True):
                    body += chunk
                    if len(body) > LARGEST or time.monotonic() > end:
                        return "its answer is too long, or too slow"
        except (requests.RequestException, OSError) as error:
            return f"does not answer ({type(error).__name__})"
        return self.flag.read(body.decode("utf-8", "replace"))

    def shell(self) -> str:
        addresses = " ".join(self.shown)
        return (
            f'for address in {addresses}; do\n  curl -fsS --max-time {WHOLE_SECONDS:g} "$address" |'
            f" python3 -c {quote(READ)} {quote(self.flag.key or '')} || exit 1\ndone"
        )
