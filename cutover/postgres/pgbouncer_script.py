"""The shell functions with which the printed switch makes clients wait, and leads them over."""

LONGEST = 60  # seconds: no pause of the printed switch takes so long

_FUNCTIONS = r"""console() { PGOPTIONS= timeout @TIMEOUT@ psql "$@ADMIN@" -X -q -A -t -v ON_ERROR_STOP=1 -c "$1"; }
paused() { [ "$(console 'SHOW DATABASES' | awk -F'|' '$1 == "@DATABASE@" { print $(NF - 1) }')" = 1 ]; }
other() { case $1 in blue) echo green ;; green) echo blue ;; esac; }
resume_clients() {
  console 'SET server_login_retry = 0'  # PAUSE in the middle of a login counts as a failed one: 15 s without service
  console 'RESUME @DATABASE@' || ! paused  # somebody else was faster
  sleep 0.5
  console RELOAD
}
pause_and_watch() {  # a process of its own, which a kill -9 of this script does not end: nobody may wait for ever
  set +e; trap '' HUP INT PIPE; exec </dev/null; watcher=
  if console 'PAUSE @DATABASE@' >/dev/null; then echo paused; else echo refused; fi
  exec >/dev/null 2>&1
  local end=$((SECONDS + @LONGEST@))
  while kill -0 $$ && [ $SECONDS -lt $end ]; do sleep 0.2; done
  end=$((SECONDS + @LONGEST@))
  while paused && [ $SECONDS -lt $((end + 10)) ]; do
    # Once it has let them go it is done: a second run of the script may pause them again.
    if [ "$(state "$TO")" = open ]; then direct_clients "$1" && return
    elif [ "$(state "$FROM")" = open ]; then direct_clients "$(other "$1")" && return
    # With both sides fenced only opening one of them helps: run the script again.
    elif [ $SECONDS -ge $end ]; then resume_clients && return; fi
    sleep 0.2
  done
}
watcher=
unwatched() { if [ -n "$watcher" ]; then kill -9 "$watcher" 2>/dev/null || true; watcher=; fi; }  # the next pause is not its own
pause_clients() {  # before $1 is opened
  local said watch
  exec {watch}< <(pause_and_watch "$1")
  watcher=$!
  read -r said <&"$watch" || said=
  exec {watch}<&-
  [ "$said" != paused ] || return 0
  unwatched
  if paused; then direct_clients "$(other "$1")"; fi
  echo 'the clients did not come to rest in @TIMEOUT@ s; nothing was touched' >&2; return 1
}
direct_clients() {
  local to; case $1 in blue) to="@BLUE@" ;; green) to="@GREEN@" ;; esac
  sed -i -E '/^[ \t]*"?@DATABASE@"?[ \t]*=.*host=/ { s/\bhost=[^ ]+/host='"${to%:*}"'/; s/\bport=[^ ]+/port='"${to##*:}"'/ }' "@FILE@"
  console RELOAD
  if paused; then resume_clients; fi
  unwatched
}"""


def functions(*, database: str, admin: str, file: str, blue: str, green: str, pause_timeout: float) -> str:
    """`pause_clients SIDE` and `direct_clients SIDE`; `admin` is a shell variable, `blue` and `green` what a person types.

    They use the script's own `state`, `$FROM` and `$TO`.
    """
    text = _FUNCTIONS
    for name, value in {
        "DATABASE": database,
        "ADMIN": admin,
        "FILE": file,
        "BLUE": blue,
        "GREEN": green,
        "TIMEOUT": f"{pause_timeout:g}",
        "LONGEST": str(LONGEST),
    }.items():
        text = text.replace(f"@{name}@", value)
    return text
