"""What must not stand in a record that is made of other programs' words."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

HIDDEN = "***"
SHORTEST = 4  # characters; what is shorter hides more than it protects
# Every repetition has a bound: a line of a megabyte without a blank must not cost hours.
WORDS = (
    "passw(?:or)?d|passwd|pwd|passphrase|secret|token|api[_-]?key|private[_-]?key|session[_-]?id|authorization|cookie"
    "|credential|signature"
)
KEYS = rf"[\w.-]{{0,64}}(?:{WORDS})[\w.-]{{0,64}}"
GIVEN = r"""\s{0,8}(?:=>|[:=])\s{0,8}"""
# A header's value may be several words: all of it, to the end of its quotes or of the line.
HEADER = re.compile(
    rf"""((?:authorization|cookie)\\*["']?{GIVEN})(\\+"(?:(?!\\+").)*|"(?:[^"\\]|\\.)*"?|'[^']*'?|[^"'\r\n]+)""",
    re.IGNORECASE,
)
NAMED = re.compile(
    rf"""(\\*["']?{KEYS}\\*["']?{GIVEN})(\\+"(?:(?!\\+").)*|"(?:[^"\\]|\\.)*"?|'[^']*'?|\[[^\]]*|[^\s,;&"'}}\])]+)""",
    re.IGNORECASE,
)
SCHEME = re.compile(r"\b(Bearer|Basic)\s{1,8}[A-Za-z0-9+/=._~-]{8,}", re.IGNORECASE)
USER = re.compile(r"(?<=://)[^/@\s]{1,512}(?=@)")
MAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}(?=@[A-Za-z0-9.-]{1,255}\.[A-Za-z]{2,})")


@dataclass(frozen=True)
class Redaction:
    """Hides the values of an environment's secrets, what is called one, credentials in addresses, and whose mail address it is."""

    secrets: tuple[str, ...] = ()

    @classmethod
    def of(cls, values: Iterable[str]) -> "Redaction":
        """Of the values that references stand for: a password in an address is the secret of it, else the whole value."""
        parts = {part for value in values for part in _secret_parts(value) if len(part) >= SHORTEST}
        found = {shape for part in parts for shape in (part, quote(part, safe=""), json.dumps(part)[1:-1])}
        return cls(tuple(sorted(found, key=lambda one: (-len(one), one))))

    def line(self, text: str, longest: int) -> str:
        """The text in one printable line of at most `longest` characters, without what is to be hidden."""
        # Cut last: the half of a secret would not be known as one.
        for secret in self.secrets:
            text = text.replace(secret, HIDDEN)
        text = HEADER.sub(_without_value, text[: 16 * longest])
        text = NAMED.sub(_without_value, SCHEME.sub(rf"\1 {HIDDEN}", text))
        text = MAIL.sub(HIDDEN, USER.sub(HIDDEN, text))
        text = "".join(c if c.isprintable() else " " for c in text)
        return text if len(text) <= longest else text[: longest - 1] + "…"


def _without_value(found: re.Match[str]) -> str:
    value = found[2]
    quoted = value[0] if value[0] in ("'", '"') else ""
    closed = quoted if len(value) > 1 and value.endswith(quoted) else ""
    return f"{found[1]}{quoted}{HIDDEN}{closed}"


def _secret_parts(value: str) -> Iterable[str]:
    if "://" not in value:
        words = dict(word.split("=", 1) for word in value.split() if "=" in word)
        return [words["password"]] if "password" in words else [value]
    try:
        address = urlsplit(value)
        password = address.password or ""
    except ValueError:
        return [value]
    # An address without a password may be the secret itself, as that of a webhook: then its path is.
    path = [address.path] if len(address.path) > 12 and not password else []
    return [password, unquote(password), *path]
