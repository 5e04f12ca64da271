"""Draws the house's floors, from test_layers and the imports as they are, into ARCHITECTURE.md: `python tests/layers_picture.py`."""

from test_layers import ANNEXES, FLOORS, INSIDE, ROOT, WIRING, floor, own, room

PAGE = ROOT / "ARCHITECTURE.md"
BEGIN, END = "<!-- drawn by tests/layers_picture.py -->\n", "<!-- end of the picture -->\n"
NAMES = {
    5: "5 · the command line",
    4: "4 · faces: they read plans and journals",
    3: "3 · app.py wires, runs.py conducts",
    2: "2 · what an operator wrote, and the plan made of it",
    1: "1 · adapters, one technology each",
    0: "0 · the engine, standard library only",
}
HERE = "cutover"  # all modules of the floor of wiring, as one box
LABELS = {HERE: "the modules in cutover/ itself"}


def picture() -> str:
    """A Mermaid flowchart: each room on its floor, and an arrow for each import that no longer way stands for."""
    lines = ["flowchart TB"]
    for number in sorted(NAMES, reverse=True):
        rooms = [HERE] if number == WIRING else [name for name in FLOORS if FLOORS[name] == number]
        lines.append(f'  subgraph floor{number}["{NAMES[number]}"]')
        lines += [f'    {name}["{LABELS.get(name, name)}"]' for name in rooms]
        lines.append("  end")
    lines.append('  subgraph annexes["beside the house"]')
    lines += [f'    {name}(["{name}"])' for name in sorted(ANNEXES)]
    lines.append("  end")
    lines += [f"  {user} --> {used}" for user, used in sorted(_arrows())]
    return "\n".join(lines) + "\n"


def drawn(page: str) -> str:
    """The page with the picture as it is now; raises ValueError when it has no place for it."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{PAGE.name} has no place for the picture: {BEGIN.strip()} … {END.strip()}")
    return f"{before}{BEGIN}```mermaid\n{picture()}```\n{END}{after}"


def _box(name: str) -> str:
    return name if name in FLOORS or name in ANNEXES else HERE


def _arrows() -> set[tuple[str, str]]:
    """Who imports whom, without what follows from a longer way: cli → plans and plans → core say cli → core."""
    users: dict[str, set[str]] = {}
    for found in INSIDE:
        user, used = _box(own(found)), _box(room(found.module))
        if user != used and not (ANNEXES & {user, used}):
            users.setdefault(user, set()).add(used)
    short = {
        (user, used)
        for user, all_used in users.items()
        for used in all_used
        if not any(used in _below(between, users) for between in all_used - {used})
    }
    annexes = {(own(found), _box(room(found.module))) for found in INSIDE if own(found) in ANNEXES}
    into = {(_box(own(found)), room(found.module)) for found in INSIDE if room(found.module) in ANNEXES}
    return short | {(user, used) for user, used in into if user != used} | _highest(annexes)


def _highest(pairs: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Of what an annex uses, only the floors above the adapters and other annexes: the rest is below those."""
    return {(user, used) for user, used in pairs if user != used and (used in ANNEXES or floor(used) >= 2)}


def _below(name: str, users: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    todo = [name]
    while todo:
        for used in users.get(todo.pop(), set()) - found:
            found.add(used)
            todo.append(used)
    return found


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
