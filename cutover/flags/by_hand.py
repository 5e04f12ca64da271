"""What a person types to look at a flag and to set it, for each kind of store; where the address is a variable, by the library."""

from collections.abc import Callable
from shlex import quote, split
from urllib.parse import quote as escaped
from urllib.parse import unquote

from cutover.core.share import Share

# A flag's JSON on stdin; share and reason are the arguments. Version and time change as they do in the library.
EDIT = """\
import datetime, getpass, json, sys
flag, (share, reason) = json.load(sys.stdin), sys.argv[1:]
flag = flag if isinstance(flag, dict) else {"name": NAME, "version": 1 + round(float(flag) * 100)}
now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
flag.update(share=json.loads(share), enabled=float(share) > 0, reason=reason, author=getpass.getuser(), changed_at=now,
    version=(flag.get("version") or 1) + 1)
print(json.dumps(flag, ensure_ascii=False), end="")"""

# A flag's JSON on stdin.
SHOW = """\
import json, sys
flag = json.load(sys.stdin)
share = flag if not isinstance(flag, dict) else flag["share"] if flag["enabled"] else 0
print(f"{share:g} %")"""

# A file of flags by name: locked, replaced in one move, and only if nobody wrote meanwhile, as FileStore does.
IN_FILE = """\
import fcntl, json, os, subprocess, sys
path, name, edit, share, reason = sys.argv[1:]
path = os.path.realpath(path)
folder, file = os.path.split(path)
with open(os.path.join(folder, f".{file}.lock"), "a") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    text = open(path, encoding="utf-8").read()
    flags = json.loads(text)
    edited = subprocess.run([sys.executable, "-c", edit, share, reason], input=json.dumps(flags[name]), check=True,
        stdout=subprocess.PIPE, text=True)
    flags[name] = json.loads(edited.stdout)
    about, partial = os.stat(path), os.path.join(folder, f".{file}.partial")
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as new:
        new.write(json.dumps(flags, ensure_ascii=False, indent=2 if "\\n" in text.strip() else None) + "\\n")
        os.fchown(new.fileno(), about.st_uid, about.st_gid)
        os.fchmod(new.fileno(), about.st_mode & 0o7777)
        new.flush()
        os.fsync(new.fileno())
    if open(path, encoding="utf-8").read() != text:
        sys.exit("somebody else wrote to the file at the same time; nothing was replaced")
    os.replace(partial, path)
    handle = os.open(folder, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)"""

# Where the address is a variable whose kind of store nobody knows here: this toolkit's library has to be installed.
IN_ANY = """\
import datetime, getpass, sys
from cutover.routing import open_store
store, name, (share, reason) = open_store(sys.argv[1]), sys.argv[2], sys.argv[3:]
flag = store.all()[name]
said = {"reason": reason, "author": getpass.getuser(), "now": datetime.datetime.now(datetime.timezone.utc)}
store.put(flag.at(share, **said) if float(share) else flag.rolled_back(**said), flag.version)"""
SHOW_ANY = """\
import sys
from cutover.routing import open_store
print(f"{open_store(sys.argv[1]).all()[sys.argv[2]].buckets / 100:g} %")"""

REDIS = """\
local found = redis.call('HGET', KEYS[1], ARGV[1])
if found ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('PUBLISH', KEYS[1], ARGV[1])
return 1"""


def set_by_hand(place: str, flag: str, share: Share, reason: str, aws: str = "aws") -> str:
    """Bash that sets the flag; `place` is quoted for a shell, a literal address or a variable. `aws` is how that is called."""
    percent = f"{share.percent.normalize():f}"
    if _kind(place) == "ssm":
        return _set_ssm(_ssm(place, flag, aws), flag, percent, reason)
    return KINDS.get(_kind(place), (_set_any, _look_any))[0](place, flag, percent, reason)


def look_by_hand(place: str, flag: str, aws: str = "aws") -> str:
    """Bash that prints the share that the flag stands for, as `10 %`."""
    if _kind(place) == "ssm":
        show = f"{_ssm(place, flag, aws)('get-parameter')} --query Parameter.Value --output text"
        return f"{show} | python3 -c {quote(SHOW)}"
    return KINDS.get(_kind(place), (_set_any, _look_any))[1](place, flag)


def _edit(flag: str) -> str:
    return EDIT.replace("NAME", repr(flag))


def _path(place: str) -> str:
    rest = "".join(split(place)).partition(":")[2]
    return quote(unquote(rest.removeprefix("//") if rest.startswith("///") else rest))


def _database(place: str) -> str:
    """For sqlite3, which would make a file that is not there."""
    return quote(f"file:{escaped(split(_path(place))[0])}?mode=rw")


def _set_file(place: str, flag: str, share: str, reason: str) -> str:
    return f"python3 -c {quote(IN_FILE)} {_path(place)} {quote(flag)} {quote(_edit(flag))} {share} {quote(reason)}"


def _look_file(place: str, flag: str) -> str:
    value = "import json, sys; print(json.dumps(json.load(sys.stdin)[sys.argv[1]]))"
    return f"python3 -c {quote(value)} {quote(flag)} < {_path(place)} | python3 -c {quote(SHOW)}"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _set_sqlite(place: str, flag: str, share: str, reason: str) -> str:
    on = "true" if float(share) else "false"
    sql = (
        f"UPDATE cutover_flags SET flag = json_set(flag, '$.share', json('{share}'), '$.enabled', json('{on}'),\n"
        f"  '$.reason', {_literal(reason)}, '$.author', 'AUTHOR', '$.changed_at', strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))\n"
        f"  WHERE name = {_literal(flag)} AND json_type(flag) = 'object' RETURNING name || ' is written';"
    )
    shown = quote(sql).replace("AUTHOR", "'\"$(id -un)\"'")
    return f"sqlite3 -bail -cmd '.timeout 2000' {_database(place)} {shown} | grep ."


def _look_sqlite(place: str, flag: str) -> str:
    sql = f"SELECT flag FROM cutover_flags WHERE name = {_literal(flag)}"
    return f"sqlite3 -bail -cmd '.timeout 2000' {_database(place)} {quote(sql)} | python3 -c {quote(SHOW)}"


def _set_postgres(place: str, flag: str, share: str, reason: str) -> str:
    on = "true" if float(share) else "false"
    return (
        f"psql {place} -X -q -A -t -v ON_ERROR_STOP=1 -v flag={quote(flag)} -v reason={quote(reason)} <<'SQL' | grep .\n"
        f"UPDATE cutover_flags SET flag = (flag::jsonb || jsonb_build_object('share', {share}, 'enabled', {on},\n"
        "  'reason', :'reason', 'author', current_user, 'changed_at', to_char(now() AT TIME ZONE 'UTC',"
        ' \'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"\')))::text\n'
        "  WHERE name = :'flag' AND jsonb_typeof(flag::jsonb) = 'object' RETURNING name || ' is written';\n"
        "SQL"
    )


def _look_postgres(place: str, flag: str) -> str:
    return (
        f"psql {place} -X -q -A -t -v ON_ERROR_STOP=1 -v flag={quote(flag)} <<'SQL' | python3 -c {quote(SHOW)}\n"
        "SELECT flag FROM cutover_flags WHERE name = :'flag';\n"
        "SQL"
    )


def _set_redis(place: str, flag: str, share: str, reason: str) -> str:
    return (
        f"shown=$(redis-cli -u {place} HGET cutover:flags {quote(flag)})\n"
        f'changed=$(python3 -c {quote(_edit(flag))} {share} {quote(reason)} <<< "$shown")\n'
        f'written=$(redis-cli -u {place} EVAL {quote(REDIS)} 1 cutover:flags {quote(flag)} "$shown" "$changed")\n'
        '[ "$written" = 1 ] || { echo "nothing was written: somebody else wrote meanwhile; look again" >&2; exit 1; }'
    )


def _look_redis(place: str, flag: str) -> str:
    return f"redis-cli -u {place} HGET cutover:flags {quote(flag)} | python3 -c {quote(SHOW)}"


def _ssm(place: str, flag: str, aws: str) -> Callable[[str], str]:
    """The beginning of a command about the flag's parameter, by its verb."""
    path, _, query = "".join(split(place)).partition(":")[2].partition("?")
    region = f" --region {quote(query.removeprefix('region='))}" if query.startswith("region=") else ""
    name = quote("/" + path.strip("/") + "/" + flag)
    return lambda verb: f"{aws}{region} ssm {verb} --name {name}"


def _set_ssm(parameter: Callable[[str], str], flag: str, share: str, reason: str) -> str:
    value = "import json, sys; print(json.load(sys.stdin)[0], end=str())"
    return "\n".join(
        [
            f"shown=$({parameter('get-parameter')} --query 'Parameter.[Value,Version]' --output json)",
            """version=$(python3 -c 'import json, sys; print(json.load(sys.stdin)[1] + 1)' <<< "$shown")""",
            (
                f'changed=$(python3 -c {quote(value)} <<< "$shown" |'
                f" python3 -c {quote(_edit(flag))} {share} {quote(reason)})"
            ),
            (
                f'written=$({parameter("put-parameter")} --value "$changed" --overwrite'
                " --description 'set by hand' --query Version --output text)"
            ),
            (
                f'[ "$written" = "$version" ] || {{ echo "somebody else wrote too: look with" '
                f"{quote(parameter('get-parameter-history'))} >&2; exit 1; }}"
            ),
        ]
    )


def _set_any(place: str, flag: str, share: str, reason: str) -> str:
    return f"python3 -c {quote(IN_ANY)} {place} {quote(flag)} {share} {quote(reason)}"


def _look_any(place: str, flag: str) -> str:
    return f"python3 -c {quote(SHOW_ANY)} {place} {quote(flag)}"


_Kind = tuple[Callable[[str, str, str, str], str], Callable[[str, str], str]]
KINDS: dict[str, _Kind] = {
    "file": (_set_file, _look_file),
    "sqlite": (_set_sqlite, _look_sqlite),
    "postgresql": (_set_postgres, _look_postgres),
    "postgres": (_set_postgres, _look_postgres),
    "redis": (_set_redis, _look_redis),
    "rediss": (_set_redis, _look_redis),
}


def _kind(place: str) -> str:
    return "".join(split(place)).partition(":")[0]
