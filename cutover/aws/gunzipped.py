"""Lines of a gzip file as it streams in: nothing is held but one line, whatever the file unpacks to."""

import zlib
from collections.abc import Iterable, Iterator

PIECE = 65_536  # bytes unpacked at a time, and the longest line


class Broken(ValueError):
    """The file is no gzip file, or ends in the middle."""


def lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Each line without its end; one that is longer than PIECE is given in parts. Raises Broken."""
    rest = b""
    for piece in _unpacked(chunks):
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace").rstrip("\r")
        while len(rest) > PIECE:
            yield rest[:PIECE].decode(errors="replace")
            rest = rest[PIECE:]
    if rest:
        yield rest.decode(errors="replace")


def _unpacked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    member = zlib.decompressobj(wbits=31)
    begun = False
    for chunk in chunks:
        data = chunk
        while data:
            begun = True
            try:
                piece = member.decompress(data, PIECE)
            except zlib.error as error:
                raise Broken(str(error)) from error
            if piece:
                yield piece
            if member.eof:  # files may be put together from several members (RFC 1952, 2.2)
                data, member, begun = member.unused_data, zlib.decompressobj(wbits=31), False
            else:
                data = member.unconsumed_tail
    if begun:
        raise Broken("it ends in the middle")
