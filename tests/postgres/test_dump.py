"""A dump is a backup only when it reads back as the database was; on real servers, by the step and by its printed commands."""

from pathlib import Path

import pytest
from contract import holds
from pairs import Pair, paste

from cutover.core.clock import Deadline
from cutover.postgres.dump import NO_BACKUP, NOT_VERIFIED, VERIFIED, Dump, Dumped, rows_in
from cutover.postgres.programs import ProgramFailed, programs_from, reached


@pytest.fixture(autouse=True)
def programs(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """pg_dump of the newer side: it reads the older one, too."""
    monkeypatch.setenv("PG_BIN", str(pair.programs))


def test_programs_of_the_same_major_come_first_and_older_ones_are_never_taken(pair: Pair) -> None:
    assert programs_from(16) == programs_from(18) == pair.programs
    with pytest.raises(ProgramFailed, match="99 are wanted"):
        programs_from(99)


def step(pair: Pair, folder: Path) -> Dumped:
    file = folder / "shop blue.dump"
    return Dumped(name="blue-dumped", database=pair.blue, file=file, shown=str(file))


def test_every_row_is_read_back(pair: Pair, tmp_path: Path) -> None:
    dump = step(pair, tmp_path)
    assert dump.observe() == NO_BACKUP
    Dump(dump).run(Deadline.after(60.0))
    assert dump.observe() == VERIFIED
    found = rows_in(dump.file, pair.programs, reached(pair.blue, {}), Deadline.after(30.0))
    for table in ("shop.orders", "public.notes", "public.tricky"):
        assert [(found[table],)] == pair.sql("blue", f"SELECT count(*) FROM ONLY {table}")


def test_a_file_that_was_cut_off_or_changed_in_size_is_no_backup(pair: Pair, tmp_path: Path) -> None:
    dump = step(pair, tmp_path)
    Dump(dump).run(Deadline.after(60.0))
    whole = dump.file.read_bytes()
    dump.file.write_bytes(whole[:-1000])
    assert dump.observe() == NOT_VERIFIED
    with pytest.raises(ProgramFailed):
        rows_in(dump.file, pair.programs, reached(pair.blue, {}), Deadline.after(30.0))
    Dump(dump).run(Deadline.after(60.0))
    assert dump.observe() == VERIFIED


def test_rows_that_look_like_the_end_of_a_table_or_like_its_beginning_are_counted(tiny: Pair, tmp_path: Path) -> None:
    odd = '"odd "" (name) FROM stdin;"'
    tiny.sql("blue", f"CREATE TABLE public.{odd} (v text); INSERT INTO public.{odd} VALUES ('\\.'), "
                     "(E'COPY public.t (v) FROM stdin;\\n\\\\.\\n'), (NULL); CREATE TABLE public.bare ()")  # fmt: skip
    tiny.sql("blue", "INSERT INTO public.bare DEFAULT VALUES")
    try:
        dump = step(tiny, tmp_path)
        Dump(dump).run(Deadline.after(60.0))
        found = rows_in(dump.file, tiny.programs, reached(tiny.blue, {}), Deadline.after(30.0))
        assert found[f"public.{odd}"] == 3 and found["public.bare"] == 1
    finally:
        tiny.sql("blue", f"DROP TABLE public.{odd}; DROP TABLE public.bare")


def test_the_printed_commands_make_the_same_backup(pair: Pair, tmp_path: Path) -> None:
    dump = step(pair, tmp_path)

    def bash(script: str) -> str:
        return paste(pair, script).strip()

    assert bash(dump.check_shell()) == NO_BACKUP
    forward, back = dump.commands(VERIFIED)[0].shell(), dump.commands(NO_BACKUP)[0].shell()
    bash(forward)
    assert bash(dump.check_shell()) == VERIFIED == dump.observe()
    first = dump.file.stat().st_mtime_ns
    bash(forward)
    assert dump.file.stat().st_mtime_ns == first, "a verified backup is made once"
    bash(back)
    assert bash(dump.check_shell()) == NO_BACKUP == dump.observe()
    assert len(list(tmp_path.iterdir())) == 2, "what was set aside is kept"


def test_a_dump_of_another_blue_is_no_backup_of_this_one(pair: Pair, tiny: Pair, tmp_path: Path) -> None:
    before = step(tiny, tmp_path)
    Dump(before).run(Deadline.after(60.0))
    now = step(pair, tmp_path)
    assert before.observe() == VERIFIED and now.observe() == NO_BACKUP
    assert paste(tiny, before.check_shell()).strip() == VERIFIED
    assert paste(pair, now.check_shell()).strip() == NO_BACKUP
    Dump(now).run(Deadline.after(60.0))
    assert now.observe() == VERIFIED and before.observe() == NO_BACKUP
    assert len(list(tmp_path.iterdir())) == 4, "the earlier one is kept"


@pytest.mark.slow
def test_the_contract(tiny: Pair, tmp_path: Path) -> None:
    folder = tmp_path / "dumps"
    holds(lambda: step(tiny, folder), state_dir=tmp_path)
