"""From a key to its bucket: the same in every process, version of Python and language (vectors.json).

The 64-bit hash of a key is BLAKE2b (RFC 7693) with a digest of 8 bytes over `salt in UTF-8, one byte 0, the key's bytes`, read as
a big-endian number; the bucket is that number modulo 10,000. The candidate answers the buckets below its share, so that a rising
share moves no key back. A key's bytes are:

- text: its UTF-8, as it is: no case folding, no normalising; a lone surrogate as the three bytes that UTF-8 would have for it
- bytes: themselves, so that b"42" and "42" are one key
- int: its decimal digits, so that 42 and "42" are one key; -2^127 to 2^128 - 1
- bool: true or false
- UUID: its 36 characters, in lower case
- None (nobody is known): no hash; always the last bucket, so that all who are not known change sides together, at 100 %

Of enums of text or int the value counts. Everything else is refused: of a float, a date or an object it is not certain what
another process or language would make of it.
"""

import hashlib
import struct
from typing import Any

from cutover.routing.flag import BUCKETS

LAST = BUCKETS - 1
_number = struct.Struct(">Q").unpack
LEAST_INT, MOST_INT = -(1 << 127), (1 << 128) - 1


class OddKey(TypeError):
    """A key of a kind, or an int of a size, that has no bucket."""


def prefix(salt: str) -> hashlib.blake2b:
    """The hash of a salt, to be continued by each key; copying it costs less than beginning anew."""
    return hashlib.blake2b(salt.encode("utf-8", "surrogatepass") + b"\0", digest_size=8)


def bucket(salted: hashlib.blake2b, key: Any) -> int:
    """The bucket of a key, 0 to 9,999; raises OddKey."""
    if type(key) is str:  # the quick way for what most keys are
        try:
            data = key.encode()
        except UnicodeEncodeError:
            data = key.encode("utf-8", "surrogatepass")
    elif type(key) is int and LEAST_INT <= key <= MOST_INT:
        data = b"%d" % key
    elif key is None:
        return LAST
    else:
        data = _bytes(key)
    continued = salted.copy()
    continued.update(data)
    number: int = _number(continued.digest())[0]
    return number % BUCKETS


def bucket_of(salt: str, key: object) -> int:
    """The bucket of a key under a salt; raises OddKey."""
    return bucket(prefix(salt), key)


def _bytes(key: Any) -> bytes:
    """The bytes of a key of the rarer kinds."""
    if isinstance(key, int) and not isinstance(key, bool):
        if not LEAST_INT <= key <= MOST_INT:
            raise OddKey("an int beyond 128 bits is no key")
        return b"%d" % key
    if isinstance(key, bytes):
        return bytes(key)
    if isinstance(key, bool):
        return b"true" if key else b"false"
    if isinstance(key, str):  # a subclass may print itself as it likes; what it holds counts
        return str.encode(key, "utf-8", "surrogatepass")
    kind = type(key)
    if kind.__name__ == "UUID" and kind.__module__ == "uuid":  # asked by name: importing uuid would cost each start
        return str(key).encode()
    raise OddKey(f"a {kind.__name__} is no key: give text, bytes, an int, a UUID or None")
