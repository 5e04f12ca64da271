"""E-mail, by SMTP with STARTTLS or TLS."""

import smtplib
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, formatdate
from typing import Literal

from cutover.core.clock import Deadline
from cutover.notify.limited import Limit
from cutover.notify.message import Message, NotDelivered

Security = Literal["starttls", "tls", "none"]


@dataclass(frozen=True, kw_only=True)
class Mail:
    """Addresses that get each message as a letter; one that is sent again has the same Message-ID (RFC 5322, section 3.6.4).

    Without `tls` or `starttls` nothing is logged in: a password does not go over an open line.
    """

    host: str
    port: int
    security: Security
    sender: str
    to: tuple[str, ...]
    user: Callable[[], str] | None = field(default=None, repr=False)
    password: Callable[[], str] | None = field(default=None, repr=False)
    trusted: ssl.SSLContext | None = field(default=None, repr=False)
    """Whose certificates are trusted; the system's when it is not given."""

    def takes(self, message: Message) -> bool:
        return True

    def deliver(self, message: Message, deadline: Deadline) -> None:
        seconds = deadline.remaining()
        if seconds <= 0:
            raise NotDelivered("there was no time left to send it")
        # Read before anything is opened: the line may not wait for a secret.
        login = (self.user(), self.password()) if self.user is not None and self.password is not None else None
        letter = self._letter(message)
        limit = Limit(seconds)
        try:
            self._send(letter, login, seconds, limit)
        except smtplib.SMTPResponseException as error:
            raise NotDelivered(_refused(error.smtp_code), again=400 <= error.smtp_code < 500) from None
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            raise NotDelivered(f"no recipient was taken ({codes[0]})", again=all(c < 500 for c in codes)) from None
        except smtplib.SMTPNotSupportedError:
            raise NotDelivered(f"the server offers no {self.security}, or no login", again=False) from None
        except ssl.SSLError as error:
            if limit.ended:
                raise NotDelivered(f"no whole answer within {seconds:.0f} s") from None
            raise NotDelivered(f"TLS failed: {error.reason or 'the certificate is not trusted'}") from None
        except (smtplib.SMTPException, OSError):
            why = f"no whole answer within {seconds:.0f} s" if limit.ended else "no connection, or it was closed"
            raise NotDelivered(why) from None
        finally:
            limit.close()

    def _send(self, letter: EmailMessage, login: tuple[str, str] | None, seconds: float, limit: Limit) -> None:
        trusted = self.trusted or ssl.create_default_context()
        line = _Line(limit, seconds, self.host, trusted if self.security == "tls" else None)
        try:
            line.connect(self.host, self.port)
            line.ehlo()
            if self.security == "starttls":
                line.starttls(context=trusted)
                line.ehlo()
            if login is not None and self.security != "none":
                line.login(*login)
            refused = line.send_message(letter)
        finally:
            line.close()
        if refused:
            # Some have it, so it is not sent again to those; who lacks it is told.
            raise NotDelivered(f"{len(refused)} of {len(self.to)} recipients were refused", again=False)

    def _letter(self, message: Message) -> EmailMessage:
        letter = EmailMessage()
        letter["Subject"] = one_line(f"[{message.severity.word}] {message.title}")[:200]
        letter["From"] = self.sender
        letter["To"] = ", ".join(self.to)
        letter["Date"] = format_datetime(datetime.fromtimestamp(message.at, UTC)) if message.at else formatdate()
        domain = self.sender.rpartition("@")[2]
        letter["Message-ID"] = f"<{_word(message.key)}@{domain}>"
        if message.incident and message.incident != message.key:
            letter["In-Reply-To"] = letter["References"] = f"<{_word(message.incident)}@{domain}>"
        letter["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence is answered to us
        letter.set_content(f"{message.title}\n\n{message.text()}\n")
        return letter


class _Line(smtplib.SMTP):
    """One connection, held by the limit from its first moment on."""

    def __init__(self, limit: Limit, seconds: float, host: str, tls: ssl.SSLContext | None) -> None:
        self._limit, self._tls, self._name = limit, tls, host
        super().__init__(timeout=seconds)
        self._host = host  # by which the certificate is checked (smtplib knows it from a connection in its constructor)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        opened = socket.create_connection((host, port), timeout)
        try:
            self._limit.hold(opened)
            return opened if self._tls is None else self._tls.wrap_socket(opened, server_hostname=self._name)
        except BaseException:
            opened.close()
            raise


def one_line(text: str) -> str:
    """Text for a header: no line break, and so no header of anybody else's."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _word(key: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "." for c in key)


def _refused(code: int) -> str:
    return "the server did not take user and password" if code in (534, 535) else f"the server answered {code}"
