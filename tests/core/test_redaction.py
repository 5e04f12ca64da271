"""What is hidden of other programs' words."""

import time

import pytest

from cutover.core.redaction import Redaction

SECRETS = Redaction.of(
    [
        "postgresql://shop:p%40ss-word@db:5432/shop",
        "host=db user=shop password=hunter22 dbname=shop",
        "https://hooks.example.com/services/T000/B000/XXXX",
        "tok-12345",
        "ab",
    ]
)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("cannot log in with hunter22 as shop", "cannot log in with *** as shop"),
        ("p%40ss-word and p@ss-word", "*** and ***"),
        ("sent tok-12345 there", "sent *** there"),
        ("POST /services/T000/B000/XXXX 200", "POST *** 200"),
        ("ab is too short to be looked for", "ab is too short to be looked for"),
        ('{"user": "ann", "password": "x y", "n": 1}', '{"user": "ann", "password": "***", "n": 1}'),
        ("api_key=abc123&next=1", "api_key=***&next=1"),
        ("Authorization: Bearer abcdefgh.ijk", "Authorization: ***"),
        ("Authorization: token ghp_abc and more", "Authorization: ***"),
        ("Cookie: theme=dark; sid=abcdef", "Cookie: ***"),
        ('{"authorization": "ApiKey abc", "n": 1}', '{"authorization": "***", "n": 1}'),
        (r'{"body": "{\"password\":\"hunter\",\"n\":1}"}', r'{"body": "{\"password\":***\",\"n\":1}"}'),
        ('"x-api-key":["k-123456"]', '"x-api-key":***]'),
        ('password: "not closed', 'password: "***'),
        ("token => abcdef", "token => ***"),
        ("pwd=abcdef", "pwd=***"),
        ("GET https://abcdef@host/", "GET https://***@host/"),
        ("Bearer abcdefgh.ijk", "Bearer ***"),
        ("redis://:sesame@cache:6379/0", "redis://***@cache:6379/0"),
        ("order of ann.b@example.com failed", "order of ***@example.com failed"),
        ("a\x1b[31m\u202eb", "a [31m b"),
        ("0.07 errors at 12:30:01", "0.07 errors at 12:30:01"),
    ],
)
def test_it_is_hidden_and_the_rest_is_told(said: str, shown: str) -> None:
    assert SECRETS.line(said, 200) == shown


def test_a_line_is_cut_after_its_secrets_are_hidden() -> None:
    assert SECRETS.line("x" * 95 + "tok-12345", 100) == "x" * 95 + "***"
    assert SECRETS.line("x" * 101, 100) == "x" * 99 + "…"


@pytest.mark.parametrize(
    "line", ["a" * 500_000, "token" * 100_000, "a." * 200_000, '\\"' * 200_000, "token=" + " " * 500_000]
)
def test_a_line_without_an_end_costs_no_hours(line: str) -> None:
    began = time.process_time()
    assert len(SECRETS.line(line, 400)) <= 400
    assert time.process_time() - began < 30, "seconds are minutes on no machine"
