"""Values that try to leave the place where they are put, and a book that has one wherever a value can stand."""

from dataclasses import replace

from runbook_toy import Move, Shows, Switch, book

from cutover.core.gate import Gate, Guard, Policy
from cutover.core.plan import Phase, Plan
from cutover.runbook import Book

NASTY = [
    "`",
    "``` \n```bash\nrm -rf /\n```",
    "a\n\n# Another title\n\n- list",
    "| one | two |",
    "\\| `|` \\",
    "<script>alert(1)</script>",
    "</script><!-- cutover:do x -->",
    "-->",
    "--",
    "\x1b[31mred\x1b[0m \x1b]0;title\x07",
    "[click](javascript:alert(1)) ![x](y)",
    "**bold** _it_ ~~no~~ $math$ &lt; &#124;",
    '"] --> n99["hacked"]; click n1 "http://x"; %%{init: {}}%%',
    "# title",
    "1. one",
    "- [x] ticked",
    "===",
    "---",
    "    indented",
    "> [!NOTE]",
    "\u202eright to left\u2066\u200b",
    "\r\nHTTP: x\x00\x07\x08\x7f\x85\u2028\u2029",
    "{{ 7 * 7 }} {% raw %}",
    "'; rm -rf /; echo '",
    "$(id) `id` ${HOME}",
    "\ud800",
    "",
    "\x1a\r0 \x1a",
    "é 漢字 🙂",
    "end",
    "#quot;",
    "]",
]


def configured(value: str) -> Book:
    """A book with `value` wherever a value can stand, in names and states too."""
    step = Switch(name=f"s{value}", before=f"a{value}", after=f"b{value}", between=frozenset({f"c{value}"}))
    gate = Gate(name=f"g{value}", check=Shows("x", "y"), on_rollback=Shows("x", "z"), hold=1, since=f"s{value}")
    items = (Move(name=f"m{value}", before=f"a{value}", after=f"b{value}", standing=True), gate, step)
    last = Move(name=f"l{value}", before=f"a{value}", after=f"b{value}", one_way=True)
    phases = (Phase(name=f"p{value}", owner=f"o{value}", items=items, budget=60, supervised=True),)
    return replace(
        book(),
        environment=f"e{value}",
        description=f"{value}d",
        plan=Plan(
            name="cutover",
            environment="toy",
            phases=phases,
            guards=(Guard(name=f"w{value}", check=Shows("x", "y"), policy=Policy.HOLD),),
        ),
        finish=Plan(name="finish", environment="toy", phases=(Phase(name="f", owner=f"{value}o", items=(last,)),)),
        owners={"decision": f"{value}r", "database": f"r{value}", "traffic": f"{value}r", "application": f"r{value}"},
        variables={"TOY_HOME": f"{value}v"},
        checklist=((f"{value}n", f"{value}h", ""), (f"n{value}", f"h{value}", f"o{value}")),
        rollback_window=f"{value}1 h",
        waiting_period=f"{value}2 d",
        window_budget=f"{value}60 s",
        dead_man=f"{value}10 s",
    )
