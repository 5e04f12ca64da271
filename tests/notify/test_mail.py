"""Letters to a real mail server: TLS in both ways, login, refusals, endless lines, and headers that nobody can add to."""

import email
import email.policy
import ssl
from collections.abc import Callable
from typing import Any

import pytest
from notify.conftest import a_message
from notify.web import Raw, Smtp, trickling_mail

from cutover.core.clock import Deadline
from cutover.notify.mail import Mail
from cutover.notify.message import NotDelivered, Severity

ABOUT: dict[str, Any] = {"host": "localhost", "sender": "cutover@example.com", "to": ("a@example.com", "b@example.com")}


def sent(smtp: Smtp, **more: Any) -> Mail:
    return Mail(**{**ABOUT, "port": smtp.port, "security": "none", **more})


def soon(seconds: float = 10.0) -> Deadline:
    return Deadline.after(seconds)


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_letter_goes_encrypted_and_logged_in(
    smtp: Callable[..., Smtp], serving: ssl.SSLContext, trusting: ssl.SSLContext, security: Any
) -> None:
    server = smtp(serving, from_the_start=security == "tls")
    mail = sent(server, security=security, trusted=trusting, user=lambda: "me", password=lambda: "p4ss-secret")
    mail.deliver(a_message(title="toy: grün ruft", body=("Zeile",), users="Bald zurück"), soon())
    (letter,) = server.letters
    assert letter.secure and letter.user == "me" and len(letter.to) == 2
    read = email.message_from_bytes(letter.data, policy=email.policy.default)
    assert read["Subject"] == "[info] toy: grün ruft" and read["Message-ID"] == "<toy.r1.7@example.com>"
    assert "For users: Bald zurück" in read.get_content()
    assert "p4ss-secret" not in repr(mail)


def test_nobody_adds_a_header(smtp: Callable[..., Smtp]) -> None:
    server = smtp()
    title = "x\r\nBcc: evil@example.com\r\n\r\nbody\u2028y"
    sent(server).deliver(a_message(title=title, severity=Severity.CRITICAL, incident="toy/r1/1"), soon())
    read = email.message_from_bytes(server.letters[0].data, policy=email.policy.default)
    assert read["Bcc"] is None and read["Subject"] == "[critical] x Bcc: evil@example.com body y"
    assert read["In-Reply-To"] == "<toy.r1.1@example.com>" and len(server.letters[0].to) == 2


def test_a_certificate_that_is_not_trusted_gets_no_password(smtp: Callable[..., Smtp], serving: ssl.SSLContext) -> None:
    for security in ("tls", "starttls"):
        server = smtp(serving, from_the_start=security == "tls")
        mail = sent(server, security=security, user=lambda: "me", password=lambda: "p4ss-secret")
        with pytest.raises(NotDelivered, match="TLS failed"):
            mail.deliver(a_message(), soon())
        assert "AUTH" not in server.commands and server.letters == []


def test_without_starttls_on_offer_nothing_is_sent(smtp: Callable[..., Smtp], trusting: ssl.SSLContext) -> None:
    server = smtp()
    mail = sent(server, security="starttls", trusted=trusting, user=lambda: "me", password=lambda: "p4ss-secret")
    with pytest.raises(NotDelivered, match="offers no starttls") as refused:
        mail.deliver(a_message(), soon())
    assert not refused.value.again and "MAIL" not in server.commands


def test_a_wrong_password_is_told_and_not_shown(
    smtp: Callable[..., Smtp], serving: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    server = smtp(serving, refuse={"AUTH": "535 5.7.8 p4ss-secret is wrong"})
    mail = sent(server, security="starttls", trusted=trusting, user=lambda: "me", password=lambda: "p4ss-secret")
    with pytest.raises(NotDelivered, match="did not take user and password") as refused:
        mail.deliver(a_message(), soon())
    assert "p4ss-secret" not in str(refused.value) and not refused.value.again


@pytest.mark.parametrize(
    ("refuse", "again"),
    [
        ({"MAIL": "451 later"}, True),
        ({"MAIL": "550 never"}, False),
        ({"RCPT": "450 later"}, True),
        ({"RCPT": "550 unknown"}, False),
        ({"DATA": "554 no"}, False),
    ],
)
def test_what_is_refused_for_now_is_tried_again(smtp: Callable[..., Smtp], refuse: Any, again: bool) -> None:
    server = smtp(refuse=refuse)
    with pytest.raises(NotDelivered) as refused:
        sent(server).deliver(a_message(), soon())
    assert refused.value.again is again and server.letters == []


def test_a_line_that_never_ends_ends_in_time(raw: Callable[..., Raw]) -> None:
    server = raw(trickling_mail)
    for security in ("none", "tls"):
        mail = Mail(**{**ABOUT, "port": server.port, "security": security})
        with pytest.raises(NotDelivered) as refused:
            mail.deliver(a_message(), soon(0.6))
        assert refused.value.again


def test_no_server_is_no_delivery(smtp: Callable[..., Smtp]) -> None:
    server = smtp()
    server.close()
    with pytest.raises(NotDelivered, match="no connection"):
        sent(server).deliver(a_message(), soon())
