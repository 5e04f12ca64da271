"""A store of flags by its address: what stands in a variable or an environment file becomes a store."""

from collections.abc import Callable

from cutover.routing.store import Store


def _file(url: str) -> Store:
    from cutover.routing.file_store import FileStore

    return FileStore(_path(url))


def _sqlite(url: str) -> Store:
    from cutover.routing.sqlite_store import SqliteStore

    return SqliteStore(_path(url))


def _postgres(url: str) -> Store:
    from cutover.routing.postgres_store import PostgresStore

    return PostgresStore(url)


def _ssm(url: str) -> Store:
    from urllib.parse import parse_qs, urlsplit

    from cutover.routing.ssm_store import SsmStore

    at = urlsplit(url)
    region = parse_qs(at.query).get("region", [None])[0]
    return SsmStore(at.netloc + at.path, region=region)


def _redis(url: str) -> Store:
    from cutover.routing.redis_store import RedisStore

    try:
        return RedisStore(url)
    except ValueError:  # which shows a part of the password
        raise ValueError(
            "the address of a Redis store cannot be read: redis://user:password@host:6379/0, where a password"
            " that holds / # ? @ or : is percent-encoded"
        ) from None


SCHEMES: dict[str, Callable[[str], Store]] = {
    "file": _file,
    "sqlite": _sqlite,
    "postgresql": _postgres,
    "postgres": _postgres,
    "ssm": _ssm,
    "redis": _redis,
    "rediss": _redis,
}


def open_store(url: str) -> Store:
    """The store at an address, not connected yet; raises ValueError, which does not show the address.

    file:/etc/shop/flags.json, sqlite:/var/lib/shop/flags.sqlite, postgresql://user@host/database (whatever libpq takes),
    ssm:/shop/flags (?region=eu-west-1), redis://host:6379/0, rediss:// with TLS.
    """
    scheme, colon, rest = url.partition(":")
    if not colon or not rest or scheme not in SCHEMES:
        told = f"{scheme}: is no kind of store" if colon and scheme.isalpha() else "this is no address of a store"
        raise ValueError(f"{told}; known are {', '.join(f'{name}:' for name in SCHEMES)}")
    return SCHEMES[scheme](url)


def _path(url: str) -> str:
    from urllib.parse import unquote

    rest = url.partition(":")[2]
    path = unquote(rest.removeprefix("//") if rest.startswith("///") else rest)
    if path.startswith("//") or path.endswith("/"):
        raise ValueError(f"{url.partition(':')[0]}: wants the path of a file, as file:/etc/shop/flags.json")
    return path
