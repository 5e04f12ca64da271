"""Input that programs stumble over: too deep, too large, not a number, broken text, what a terminal or a shell acts on."""

DEEP = 100_000
TIME = b'"time": 1779999990.5'
NUMBERS = (
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"1.7976931348623157e308",
    b"5e-324",
    b"9" * 400,
    b"9" * 5000,
    b"-0",
    b"1_0",
    b"0x10",
)
TEXTS = (
    b"",
    b"\x00",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\\ud800",
    b"\x1b[2J",
    b"\xe2\x80\xae",
    b"\r\n",
    b"\xc2\x85",
)
NO_KEY = b'{"at": 0, "ack": 1779999990.1, "kind": "write", "ok": true, "slow": false}\n'  # found by atheris
VALUES = (*NUMBERS, b"[]", b"{}", b"null", b"true", b'"x"', b'"\\ud800"', b"[[[[1]]]]", b'"' + b"9" * 5000 + b'"')


def everywhere() -> list[bytes]:
    """For any target: by itself, as a line of a log, and as what stands under the names that documents have."""
    deep = [b"[" * DEEP, b"{" * DEEP, b"(" * DEEP, b'{"a":' * DEEP, b"- " * DEEP, b"-" * DEEP, b"x" * 2_000_000]
    found = [*deep, *TEXTS, *VALUES, NO_KEY]
    for value in (*VALUES, b"[" * 100_000):
        found += [
            b'\x00{"time": %b, "took": 1}\n' % value,
            b'\x00{%b, "took": %b, "status": %b}\n' % (TIME, value, value),
            b'{"name": "pay", "share": %b, "enabled": true, "version": %b, "changed_at": %b}' % (value, value, value),
            b'{"sha256": "", "content": %b}' % value,
            b"[%b, %b]\n" % (value, value),
            b'{"version": 1, "identity": {"seed": 7}}\n{"table": %b, "done": true}\n' % value,
            b'{"version": %b, "identity": {"seed": %b}}\n' % (value, value),
            b'{"at": %b, "ack": %b, "kind": "write", "key": %b, "ok": true, "slow": false}\n' % (value, value, value),
            b'{"status": "success", "data": {"result": [{"metric": %b, "values": [[%b, %b]]}]}}'
            % (value, value, value),
            b'{"status": "success", "warnings": %b, "data": {"result": %b}}' % (value, value),
            b"$%d\r\nused_memory:%b\r\nmaxmemory:%b\r\n\r\n" % (2 * len(value) + 26, value, value),
            b'\x03POST /do/hold\ncontent-length: %b\n\n{"environment": %b, "reason": "x"}' % (value, value),
            b"\x03GET /lines?before=%b" % value,
            b"100 * used / %b" % value,
            b"p95 > %b x baseline" % value,
            b"share where status >= %b" % value,
            b"#Fields: timestamp x-edge\n%b\tblue" % value,
            b'{"timestamp": %b, "x-edge": "green"}' % value,
        ]
    return found
