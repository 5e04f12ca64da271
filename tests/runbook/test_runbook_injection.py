"""Values of the configuration stay where they were put: a page's structure never depends on them."""

import re
import subprocess
import unicodedata
from dataclasses import replace
from itertools import pairwise
from urllib.parse import unquote

import pytest
from hostile import NASTY, configured
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from runbook_toy import book

from cutover.core.errors import ConfigurationRefused
from cutover.runbook import extract_commands, render
from cutover.runbook.extract import fenced
from cutover.runbook.markdown import anchor, cell, code, fence, label, marker, paragraphs, prose, visible

hostile = st.one_of(
    st.sampled_from(NASTY),
    st.text(max_size=40),
    st.text(alphabet="`|<>[](){}#-*_~\\\"'&;%!$=+ \n\t\r\x1b.:1ax", max_size=30),
)


patient = settings(deadline=None)  # a busy machine is no finding

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def tokens(page: str) -> list[Token]:
    return PARSER.parse(page)


def structure(page: str) -> list[str]:
    """The page's blocks and inlines without their words; fences with their language only."""
    shape: list[str] = []
    for token in tokens(page):
        if token.type == "html_block" and not token.content.startswith(("<!-- cutover:", "<a id=")):
            shape.append(token.content)
        else:
            shape.append(f"{token.type} {token.tag} {token.info}")
        shape += [child.type for child in token.children or () if child.type not in ("text", "text_special")]
    return shape


def inline(markdown: str) -> list[Token]:
    blocks = tokens(markdown)
    assert [block.type for block in blocks] == ["paragraph_open", "inline", "paragraph_close"], markdown
    return blocks[1].children or []


@pytest.mark.parametrize("value", [nasty for nasty in NASTY if not set(nasty) & set("\r\x1a\x00\x1b\ud800\u202e")])
def test_no_value_changes_the_structure_of_a_page(value: str) -> None:
    plain = render(configured("x"))
    for name, page in render(configured(value)).items():
        assert structure(page) == structure(plain[name]), name
        assert [kind for _, kind, _ in extract_commands(page)] == [k for _, k, _ in extract_commands(plain[name])]
        assert not [c for c in page if unicodedata.category(c) in ("Cc", "Cf") and c not in "\n\t"]


@pytest.mark.parametrize("value", [nasty for nasty in NASTY if set(nasty) & set("\r\x1a\x00\x1b\ud800\u202e")])
def test_a_command_with_a_character_that_nobody_sees_is_refused(value: str) -> None:
    with pytest.raises(ConfigurationRefused, match=r"U\+[0-9A-F]{4}, which a person cannot see"):
        render(configured(value))


@pytest.mark.parametrize("value", NASTY)
def test_values_outside_commands_are_shown_harmless(value: str) -> None:
    def with_value(v: str) -> dict[str, str]:
        return render(replace(book(), description=f"{v}d", owners={"decision": f"r{v}"}, dead_man=f"{v}s"))

    plain = with_value("x")
    for name, page in with_value(value).items():
        assert structure(page) == structure(plain[name]), name
        page.encode()


@patient
@given(hostile)
def test_prose_is_one_text_that_reads_as_it_was_written(value: str) -> None:
    children = inline(prose(value))
    assert {child.type for child in children} <= {"text", "text_special"}
    assert "".join(child.content for child in children) == (visible(value) or "(empty)")


@patient
@given(hostile)
def test_code_is_one_code_span(value: str) -> None:
    if not visible(value):
        assert code(value) == "(empty)"
        return
    (span,) = inline(code(value))
    assert span.type == "code_inline"
    assert span.content == visible(value)


@patient
@given(hostile, hostile)
def test_cells_stay_in_their_column(first: str, second: str) -> None:
    row = f"| {cell(prose(first))} | {cell(code(second))} |"
    blocks = tokens(f"| a | b |\n| --- | --- |\n{row}\n")
    cells = [block for before, block in pairwise(blocks) if before.type == "td_open"]
    assert len(cells) == 2
    assert "".join(child.content for child in cells[0].children or ()) == (visible(first) or "(empty)")
    assert "".join(child.content for child in cells[1].children or ()) == (visible(second) or "(empty)")


@patient
@given(hostile)
def test_a_docstring_has_paragraphs_and_code_and_nothing_else(value: str) -> None:
    for block in tokens(paragraphs(value)):
        assert block.type in ("paragraph_open", "inline", "paragraph_close")
        assert {c.type for c in block.children or ()} <= {"text", "text_special", "code_inline"}


@patient
@given(hostile)
def test_a_fence_gives_back_its_command_or_refuses_it(value: str) -> None:
    try:
        block = fence(value, "step")
    except ConfigurationRefused:
        assert any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for c in value)
        return
    (token,) = tokens(block)
    assert (token.type, token.info) == ("fence", "bash")
    assert token.content in (value.strip("\n") + "\n", value.strip("\n"))
    page = f"before\n{marker('do', 'x')}\n{block}\nafter"
    assert extract_commands(page) == [("x", "do", value.strip("\n"))]
    assert [line for line, place in fenced(page) if place == "outside"][-1] == "after"


@patient
@given(hostile)
def test_a_marker_carries_any_name(value: str) -> None:
    comment = marker("check", value)
    (token,) = tokens(comment)
    assert token.type == "html_block"
    assert "--" not in comment.removeprefix("<!--").removesuffix("-->")
    if "\ud800" not in value:
        assert unquote(comment.split(" ")[2]) == value


@patient
@given(hostile, hostile)
def test_an_anchor_is_a_plain_word_of_its_own(first: str, second: str) -> None:
    assert re.fullmatch(r"step-[a-z0-9-]*", anchor("step", first))
    assert first == second or anchor("step", first) != anchor("step", second)


@patient
@given(hostile)
def test_a_label_holds_nothing_that_mermaid_acts_on(value: str) -> None:
    inside = label(value)[1:-1]
    assert not set(re.sub(r"#\d+;", "", inside)) & set('"`#;<>[]{}|%&\\*~$@^!\n\r\t')
    mended = re.sub(r"#(\d+);", lambda found: chr(int(found[1])), inside)
    assert all(a in (b, "?") for a, b in zip(mended, visible(value) or "(empty)", strict=True))


@pytest.mark.parametrize("value", NASTY)
def test_every_line_of_the_flowchart_is_a_quoted_node_or_edge(value: str) -> None:
    page = render(replace(book(), owners={"decision": value, "database": value}))["ROLLBACK-RUNBOOK.md"]
    chart = page.split("```mermaid\n")[1].split("\n```")[0].split("\n")
    assert chart[0] == "flowchart TD"
    for line in chart[1:]:
        assert re.fullmatch(r'  n\d+(\["[^"]+"\]|\{"[^"]+"\})|  n\d+ -->\|"[^"]+"\| n\d+', line), line


def test_a_hostile_environment_name_stays_one_argument() -> None:
    name = "x'; echo hacked; '\n```\n$(echo hacked)"
    page = render(replace(book(), environment=name))["CUTOVER-RUNBOOK.md"]
    (first,) = [t.content for t in tokens(page) if t.type == "fence"][:1]
    assert first.startswith("invoke cutover --env ")
    script = 'invoke() { printf "%s\\n" "$#" "$3"; }\n' + first
    result = subprocess.run(["bash", "-c", script], check=False, capture_output=True, text=True, timeout=10)
    assert result.stdout == f"3\n{name}\n"
