"""What a command names at its end when it could not even begin: a stop leads on, a refusal is only a refusal."""

from types import SimpleNamespace

import pytest
from invoke.exceptions import Exit

from cutover.cli.running import carried_out
from cutover.core.errors import CutoverError, Refused
from cutover.state.chain import JournalBroken

NEXT = "next: invoke status --env prod   # once that is mended; then the same again"


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (JournalBroken("/s/prod.sqlite: the disk is full"), 1, ["stopped: /s/prod.sqlite: the disk is full", NEXT]),
        (Refused("it is a freeze"), 5, ["refused: it is a freeze"]),
        (
            JournalBroken("broken", next_command="invoke audit verify"),
            1,
            ["stopped: broken", "next: invoke audit verify"],
        ),
    ],
)
def test_before_there_is_a_run(
    capsys: pytest.CaptureFixture[str], error: CutoverError, code: int, told: list[str]
) -> None:
    def action() -> tuple[str, str]:
        raise error

    app, conductor = SimpleNamespace(environment=SimpleNamespace(name="prod")), SimpleNamespace(run_name="")
    with pytest.raises(Exit) as ended:
        carried_out(app, action, conductor, as_json=False, words={})
    assert ended.value.code == code
    assert capsys.readouterr().err.splitlines() == told
