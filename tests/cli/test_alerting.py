"""The commands that write monitoring, typed in a folder: what they write, what they say, and when they end with 2."""

from cli.shell import Shell


def test_alerts_are_written_once_and_checked(shell: Shell) -> None:
    said = shell.invoke("alerts", "--env", "prod", "--check").ended(2)
    assert "monitoring/prod/triggers.rules.yaml is missing" in said.err
    assert "next: invoke alerts --env prod" in said.err and not (shell.folder / "monitoring").exists()
    said = shell.invoke("alerts", "--env", "prod").ended(0)
    assert "of 14 triggers 4 are Prometheus alerts, 5 CloudWatch alarms" in said.err
    assert "not a Prometheus alert: payments: payment_errors on green" in said.out
    shell.invoke("alerts", "--env", "prod", "--check").ended(0)
    assert "is current" in shell.invoke("alerts", "--env", "prod").ended(0).err
    said = shell.invoke("alerts", "--env", "staging").ended(3)
    assert "has no trigger" in said.err
    said = shell.invoke("alerts", "--env", "prod", "--check", "--apply").ended(3)
    assert "one of them at a time" in said.err


def test_dashboards_are_written_and_say_what_they_do_not_show(shell: Shell) -> None:
    shell.invoke("dashboards", "--env", "staging", "--check").ended(2)
    said = shell.invoke("dashboards", "--env", "staging").ended(0)
    assert "empty: SLO: no figure" in said.out
    assert "not shown: replication_lag: neither Grafana nor CloudWatch reads sql (postgres)" in said.out
    shell.invoke("dashboards", "--env", "staging", "--check").ended(0)
