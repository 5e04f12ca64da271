"""What stands on the pages."""

import re
from dataclasses import replace
from itertools import pairwise

import pytest
from runbook_toy import Move, Shows, Switch, book, finish, plan

from cutover.core.errors import ConfigurationRefused
from cutover.core.gate import Gate, Policy
from cutover.core.plan import Phase, Plan
from cutover.runbook import render
from cutover.runbook.extract import fenced

NAMES = ["CUTOVER-RUNBOOK.md", "ROLLBACK-RUNBOOK.md", "POST-CUTOVER-CHECKLIST.md", "ARCHIVE-RUNBOOK.md"]


def outside(page: str) -> list[str]:
    return [line for line, place in fenced(page) if place == "outside"]


def section(page: str, heading: str) -> str:
    """From the heading that begins like this to the next of its level or higher."""
    level = heading.split(" ")[0]
    start = page.index(f"\n{heading}") + 1
    following = re.search(rf"\n#{{1,{len(level)}}} ", page[start + 1 :])
    return page[start : start + 1 + following.start()] if following else page[start:]


def test_equal_books_give_equal_bytes() -> None:
    assert render(book()) == render(book())
    assert list(render(book())) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_boxes_stand_in_lists_of_their_own(name: str) -> None:
    lines = outside(render(book())[name])
    before = {above for above, line in pairwise(lines) if line.startswith("- [ ]")}
    assert not {line for line in before if line and not line.startswith("- [ ]")}


@pytest.mark.parametrize("name", NAMES)
def test_each_page_has_one_title_tidy_lines_and_the_whole_digest(name: str) -> None:
    page = render(book())[name]
    assert sum(line.startswith("# ") for line in outside(page)) == 1
    assert page.endswith("\n") and not page.endswith("\n\n")
    assert "\n\n\n" not in page
    assert not [line for line in outside(page) if line != line.rstrip()]
    assert f"`{plan().digest()}`" in page.split("\n---\n")[-1]
    assert (f"`{finish().digest()}`" in page) == (name == "ARCHIVE-RUNBOOK.md")


def test_every_link_leads_somewhere() -> None:
    pages = render(book())
    targets = {name: re.findall(r'<a id="([^"]+)"></a>', page) for name, page in pages.items()}
    for name, page in pages.items():
        assert len(set(targets[name])) == len(targets[name])
        for file, anchor in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", "\n".join(outside(page))):
            assert not file or file in pages
            assert not anchor or anchor in targets[file or name], f"{name}: {file}#{anchor}"


def test_anchors_do_not_move_when_the_configuration_does() -> None:
    items = (Move(name="extra", before="a", after="b"), *plan().phases[0].items)
    more = replace(plan(), phases=(replace(plan().phases[0], items=items), *plan().phases[1:]))
    pages = [render(book(plan=p))["CUTOVER-RUNBOOK.md"] for p in (plan(), more)]
    anchors = [set(re.findall(r'<a id="([^"]+)"></a>', page)) for page in pages]
    assert anchors[1] - anchors[0] == {"step-extra"}
    assert not anchors[0] - anchors[1]


def test_every_step_says_what_an_operator_needs() -> None:
    page = render(book())["CUTOVER-RUNBOOK.md"]
    for _, step in plan().steps():
        part = page[page.index(f'<a id="step-{step.name}"></a>') :].split("\n<a id=")[0]
        for words in (": `", " → `", "expected ", "at most ", "**Start:**", "**Do:**", "**Done when**", "**Undo**"):
            assert words in part, f"{step.name}: {words}"
        assert f"`{step.name}-undo`" in part
        assert "Why: as in [1.1](#step-ttl)" in part or step.why().split("`")[0] in part
        assert ("**kept by a rollback**" in part) == step.standing


def test_the_cutover_is_signed_before_it_begins() -> None:
    page = render(book())["CUTOVER-RUNBOOK.md"]
    assert page.index("## Go or no-go") < page.index("## Phases") < page.index("## 1. ")
    rows = [line for line in section(page, "## Go or no-go").split("\n") if line.startswith("| ")]
    assert [row.split(" | ")[1] for row in rows[2:]] == list(book().owners.values())


def test_the_checklist_is_signed_now_and_after_24_hours() -> None:
    page = render(book())["POST-CUTOVER-CHECKLIST.md"]
    for heading in ("## Sign-off now", "## Sign-off again after 24 h"):
        assert "| decision | Head of operations | | | |" in section(page, heading)
    assert "- [ ] **checkout**\n\n```bash\npytest smoke -k checkout\n```\n" in page
    assert "- [ ] **complaints**: no critical complaint came in (Shop team)\n" in page


def test_the_table_of_phases_has_owner_zone_time_and_budget() -> None:
    table = section(render(book())["CUTOVER-RUNBOOK.md"], "## Phases")
    assert (
        "| 2 | [`window`](#phase-window) | DBA on call | cancel → rollback | 3 | 1 | 2.3 s | 60 s | "
        "taken back before the commit point, finished forward after it |"
    ) in table


def test_the_window_says_what_happens_when_things_die() -> None:
    part = section(render(book())["CUTOVER-RUNBOOK.md"], "## 2. Phase").split("\n<a id=")[0]
    assert "**Budget 60 s.**" in part
    assert "drops the open transaction after 10 s, and blue takes writes again by itself" in part
    assert "stays until somebody takes it back: [2.1](#step-maintenance-on) `maintenance` at `on`.\n> - " in part
    assert "Run `invoke resume --env toy`, or the commands of `switchover` again" in part
    back = section(render(book())["ROLLBACK-RUNBOOK.md"], "## 2. Back from").split("\n<a id=")[0]
    assert "and green takes writes again by itself" in back


def test_points_of_no_return_are_warnings_and_have_no_undo() -> None:
    page = render(book())["ARCHIVE-RUNBOOK.md"]
    assert "> [!WARNING]\n> **Point of no return.**" in section(page, "### 1.1 `way-back`")
    assert "**Undo:** none." in page
    assert "Zone: rollback → finished." in page
    assert "Blue itself stays for 30 days more" in page and "no plan for it: blue stays" in page


def test_the_end_of_blue_is_a_page_of_its_own() -> None:
    ending = replace(finish(), name="decommission")
    pages = render(book(decommission=ending, retention="60 days"))
    assert "Not before 60 days after finish: [DECOMMISSION-RUNBOOK.md]" in pages["ARCHIVE-RUNBOOK.md"]
    page = pages["DECOMMISSION-RUNBOOK.md"]
    assert "Not before 60 days after `finish`: the program refuses earlier." in page
    assert f"`{ending.digest()}`" in page and f"`{plan().digest()}`" not in page
    assert "Zone: finished." in page


def test_what_remains_depends_on_where_it_stopped() -> None:
    table = section(render(book())["ROLLBACK-RUNBOOK.md"], "## What remains")
    rows = {row.split(" | ")[0][2:]: row for row in table.split("\n") if row.startswith("| `")}
    steps = {where: re.findall(r"#step-([a-z0-9-]+)", row) for where, row in rows.items()}
    way_back = ["maintenance-off-undo", "switchover-undo", "maintenance-on-undo", "ttl-undo"]
    assert steps == {
        "`prepare`": ["ttl-undo"],
        # Nothing was switched: going through the whole window again would be a pause for nothing.
        "`window`, before `switchover` committed": ["maintenance-on-undo", "ttl-undo"],
        "`window`, after `switchover` committed": way_back,
        "`shift`": ["share-10-undo", *way_back],
    }
    assert "| cancel |" in rows["`window`, before `switchover` committed"]
    assert "| rollback |" in rows["`window`, after `switchover` committed"]
    assert "[`replication`](CUTOVER-RUNBOOK.md#step-replication)" in table


def test_places_with_the_same_way_back_share_a_row() -> None:
    idle = Phase(name="bake", owner="application", items=(Gate(name="well", check=Shows("share", "100 %")),))
    page = render(book(plan=plan(phases=(*plan().phases, idle))))["ROLLBACK-RUNBOOK.md"]
    assert "| `shift`, `bake` | rollback | [1.1](" in page


def test_a_merged_step_names_all_that_it_takes_back() -> None:
    part = section(render(book())["ROLLBACK-RUNBOOK.md"], "### 1.1 `share`: `100 %` → `0 %`")
    assert "**Start:** `100 %`. Half done: `10 %`.\n" in part
    assert "Takes back [`share-100`](CUTOVER-RUNBOOK.md#step-share-100), [`share-10`](" in part


def gate_words(gate: Gate, phase: Phase) -> str:
    commit = Switch(name="switch", before="a", after="b")
    after = replace(gate, name="after")
    changed = replace(phase, items=(gate, commit, after))
    pages = render(book(plan=Plan(name="cutover", environment="toy", phases=(changed,)), finish=None))
    parts = re.findall(r"\*\*If not:\*\* ([^.]*)\.", pages["CUTOVER-RUNBOOK.md"])
    return " / ".join(parts)


@pytest.mark.parametrize(
    ("overrun", "on_fail", "words"),
    [
        (Policy.STOP, Policy.ROLLBACK, "everything is rolled back / everything is rolled back"),
        (
            Policy.UNDO,
            Policy.ROLLBACK,
            "this phase is taken back; blue serves as before / the phase is finished first, because writes wait; then everything is rolled back",
        ),
        (Policy.UNDO, Policy.HOLD, "this phase is taken back; blue serves as before / the phase is finished first"),
        (Policy.UNDO, Policy.NOTIFY, "it is noted, and the run goes on / it is noted, and the run goes on"),
        (Policy.STOP, Policy.STOP, "the run stops where it is; nothing is taken back / the run stops"),
        (Policy.STOP, Policy.PREVIOUS_PHASE, "the run goes back to the end of the phase before, and waits / "),
        (Policy.STOP, Policy.FREEZE, "the run freezes where it is: going back is worse here; a person decides / "),
    ],
)
def test_a_failing_gate_is_said_as_the_engine_does_it(overrun: Policy, on_fail: Policy, words: str) -> None:
    gate = Gate(name="asked", check=Shows("x", "y"), on_fail=on_fail)
    assert gate_words(gate, Phase(name="only", owner="database", items=(), overrun=overrun)).startswith(words)


def test_what_a_failed_step_starts_is_said_where_its_phase_begins() -> None:
    whole = plan()
    said = "A step that fails here, is not done in time or cannot be reached: "
    assert said not in render(book())["CUTOVER-RUNBOOK.md"]
    phases = (*whole.phases[:-1], replace(whole.phases[-1], on_failure=Policy.ROLLBACK))
    text = render(replace(book(), plan=replace(whole, phases=phases)))["CUTOVER-RUNBOOK.md"]
    assert f"{said}everything is rolled back. " in text[text.index(f"Phase `{phases[-1].name}`") :]
    assert text.count(said) == 1


def test_every_policy_has_words_for_an_overrun() -> None:
    for policy in Policy:
        phases = tuple(replace(phase, budget=5.0, overrun=policy) for phase in plan().phases)
        page = render(book(plan=plan(phases=phases)))["CUTOVER-RUNBOOK.md"]
        assert page.count("When it runs out: ") == len(phases)


def test_a_plan_without_a_switch_a_finish_or_anything_else_has_pages_too() -> None:
    bare = Plan(name="cutover", environment="toy", phases=())
    pages = render(book(plan=bare, finish=None, variables={}, prepare_shell="", checklist=(), protected=False))
    assert "production" not in pages["CUTOVER-RUNBOOK.md"]
    assert "no finish plan" in pages["ARCHIVE-RUNBOOK.md"]
    assert "Is green failing users" in pages["ROLLBACK-RUNBOOK.md"]
    assert "No lines" in pages["POST-CUTOVER-CHECKLIST.md"]


def test_a_point_of_no_return_inside_the_cutover_ends_what_a_rollback_takes_back() -> None:
    gone = Move(name="gone", before="a", after="b", one_way=True)
    late = Move(name="late", before="a", after="b")
    phases = (*plan().phases, Phase(name="end", owner="decision", items=(gone, late)))
    pages = render(book(plan=plan(phases=phases)))
    assert "late-undo" not in pages["ROLLBACK-RUNBOOK.md"]
    assert "| **finished** | from `gone` |" in pages["ROLLBACK-RUNBOOK.md"]
    assert "> [!WARNING]" in section(pages["CUTOVER-RUNBOOK.md"], "### 4.1 `gone`")


def test_a_variable_that_no_shell_knows_is_refused() -> None:
    with pytest.raises(ConfigurationRefused, match="A B"):
        book(variables={"A B": "two words"})
