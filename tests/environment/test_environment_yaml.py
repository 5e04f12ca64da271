"""Text that is not a readable document: refused with a line, in time, and without quoting what was written."""

from collections.abc import Callable

import pytest

ToldText = Callable[[str], list[str]]


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n", "null\n", "--- ~\n...\n"])
def test_an_empty_file(told_text: ToldText, text: str) -> None:
    (problem,) = told_text(text)
    assert problem.endswith(": is empty")


@pytest.mark.parametrize("text", ["- a\n", "a\n", "[]\n", "'name: x'\n", "5\n"])
def test_a_root_that_is_no_mapping(told_text: ToldText, text: str) -> None:
    assert told_text(text) == ["small.yaml:1: must be keys and values, such as `name: local`"]


@pytest.mark.timeout(10)
@pytest.mark.parametrize("text", ["[" * 100_000, "a: " + "{b: " * 60_000, "- " * 100_000, "? " * 100_000])
def test_deep_nesting_is_refused_before_it_costs_anything(told_text: ToldText, text: str) -> None:
    assert told_text(text) == ["small.yaml:1: is nested more than 30 deep"]


def test_aliases_cannot_multiply(told_text: ToldText) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * 9) + "]" for n in range(1, 10)]
    (problem,) = told_text("\n".join(lines))
    assert problem == "small.yaml:5: holds more than 10000 values"


def test_values_are_counted(told_text: ToldText) -> None:
    (problem,) = told_text("".join(f"k{n}: x\n" for n in range(20_000)))
    assert problem == "small.yaml:10000: holds more than 10000 values"


def test_aliases_cannot_stack_up(told_text: ToldText) -> None:
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [[[[[[[[[[*a{n - 1}]]]]]]]]]]" for n in range(1, 40)]
    (problem,) = told_text("\n".join(lines))
    assert problem.endswith(": is nested more than 30 deep")


def test_anchors_and_aliases_are_counted(told_text: ToldText) -> None:
    (problem,) = told_text("a: &a x\n" + "".join(f"b{n}: *a\n" for n in range(200)))
    assert problem == "small.yaml:101: has more than 100 anchors and aliases"


def test_an_alias_is_read_where_it_stands(told_text: ToldText, small_text: str) -> None:
    text = small_text.replace("decision: a", "decision: &who a").replace("database: b", "database: *who")
    assert told_text(text) == []


@pytest.mark.parametrize("text", ["name: &a [*a]\n", "name: &a {b: *a}\n", "&a name: *b\n", "name: *a\n"])
def test_an_alias_to_itself_or_to_nothing(told_text: ToldText, text: str) -> None:
    assert any("refers to" in problem for problem in told_text(text))


@pytest.mark.parametrize(
    "value",
    ["!!python/object/apply:os.system [x]", "!!str x", "!x y", "!!binary aGk=", "!<tag:yaml.org,2002:int> 5", "! x"],
)
def test_tags_are_not_read(told_text: ToldText, small_text: str, value: str) -> None:
    problems = told_text(small_text.replace("A small environment", value))
    assert "small.yaml:2: description: has a tag (`!…`); tags are not read" in problems


@pytest.mark.parametrize("key", ["? [a]\n: b", "? {a: b}\n: c", "~: b", ": b", "&a x: b", "!!str x: b", "*a : b"])
def test_keys_are_plain_words(told_text: ToldText, small_text: str, key: str) -> None:
    problems = told_text(f"{small_text}{key}\n")
    assert problems
    assert all(problem.startswith("small.yaml:2") for problem in problems)


def test_duplicate_keys_are_named_at_every_depth(told_text: ToldText, small_text: str) -> None:
    text = small_text.replace("  name: shop", "  name: shop\n  name: shop2") + "'name': other\n"
    assert told_text(text) == [
        "small.yaml:6: database.name: is given twice; the first one is on line 5",
        "small.yaml:25: name: is given twice; the first one is on line 1",
    ]


def test_one_document_only(told_text: ToldText, small_text: str) -> None:
    assert told_text(f"---\n{small_text}...\n") == []
    (problem,) = told_text(f"{small_text}---\nname: b\n")
    assert problem == "small.yaml:24: a second document starts here; one file is one environment"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("name: x\n\tdescription: y\n", 2),
        ("name: [x\n", 2),
        ("name: 'x\n", 2),
        ("name: x\n  y: z\n", 2),
        ("name: @x\n", 1),
        ('name: "\\q"\n', 1),
        ('a: b\nname: "\\UFFFFFFFF"\n', 2),
        ("%YAML " + "9" * 5000 + ".1\n---\na: b\n", 1),
        ("%FOO\nname: x\n", 2),
        ("%YAML 3.0\n---\nname: x\n", 1),
        ("a: b\nname: \x07\n", 2),
        ("name: x\n}\n", 2),
    ],
)
def test_broken_yaml_has_a_line(told_text: ToldText, text: str, line: int) -> None:
    problem = told_text(text)[0]
    assert problem.startswith(f"small.yaml:{line}: "), problem
    assert problem.isprintable()


def test_ansi_in_a_key_does_not_reach_the_terminal(told_text: ToldText, small_text: str) -> None:
    (problem,) = told_text(small_text + '"\\e[2J": 1\n')
    assert problem == "small.yaml:24: (a key of 4 characters): unknown key"
