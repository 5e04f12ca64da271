"""`invoke alerts` and `invoke dashboards` as they are typed, on the local endpoint: a dry-run writes nothing, nor does a second time."""

from collections.abc import Callable
from pathlib import Path
from shlex import quote

import pytest
from local_aws import Endpoint

from cutover.aws.alarm import alarms_found
from cutover.aws.session import Aws
from cutover.core.clock import Deadline

ROOT = Path(__file__).parents[2]


def there() -> int:
    return len(list(alarms_found(Aws("us-east-1"), "cutover-prod-", Deadline.after(10))))


@pytest.mark.slow
def test_they_are_made_once_and_taken_away_again(endpoint: Endpoint, bash: Callable[..., str], tmp_path: Path) -> None:
    config = tmp_path / "config"
    keys = "aws_access_key_id = testing\naws_secret_access_key = testing\n"
    config.write_text(f"[profile shop-prod]\nregion = us-east-1\n{keys}", encoding="utf-8")
    variables = f"AWS_CONFIG_FILE={quote(str(config))} CUTOVER_HOME={quote(str(tmp_path))}"

    def typed(words: str, *, ok: bool = True) -> str:
        out = f"--env prod --out {quote(str(tmp_path / 'out'))}"
        return bash(f"cd {quote(str(ROOT))} && {variables} python -m invoke {words} {out}", ok=ok)

    said = typed("alerts --apply --dry-run")
    assert said.count("  ~ ") == 5 and there() == 0 and not (tmp_path / "out").exists()
    assert typed("alerts --apply").count("  ✓ ") == 5 and there() == 5
    assert typed("alerts --apply").count("  = ") == 5
    said = typed("dashboards --apply")
    assert "✓ cutover-prod " in said and "none → as the environment says" in said
    assert "as the environment says → none" in typed("dashboards --remove")
    assert typed("alerts --remove").count("  ✓ ") == 5 and there() == 0
