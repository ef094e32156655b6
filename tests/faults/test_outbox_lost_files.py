"""An outbox whose files are gone, or are those of another day: told, and no name is used twice."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from outbox_tools import Account, alarm, open_box, plain, settle

from edge_runtime.clock import ManualClock
from edge_runtime.errors import OutboxError
from edge_runtime.outbox import Outbox
from edge_runtime.outbox.marks import MOST_BOOTS, RESERVE_SEQS, Marks

RESULTS = 300
LAP_COMMITS = 100  # more than go into the log before it is used from its start again
NOBODY = 65534
CLEAN = pytest.mark.parametrize("clean", [True, False], ids=["stopped", "killed"])


def start(state: Path) -> Outbox:
    """Open the outbox of a state folder as the daemon does."""
    return open_box(state / "outbox", ManualClock(), commit_s=3600.0, mark=state / "outbox.mark")


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Be another user for a while, in this thread's view of files: its effective id."""
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def leave(state: Path, results: int = RESULTS, *, clean: bool) -> Path:
    """Leave results undelivered, as a stop or a kill does; return the state folder."""
    box = start(state / "running")
    for number in range(1, results + 1):
        box.append((alarm if number % 10 == 0 else plain)(number, ManualClock().now()))
    assert box.flush(10.0)
    if not clean:
        shutil.copytree(state / "running", state / "left")
    box.close()
    if clean:
        shutil.copytree(state / "running", state / "left")
    return state / "left"


def account_of(state: Path) -> tuple[Account, Outbox]:
    """Start, make one more result, and receive all there is."""
    box = start(state)
    box.append(plain(1, ManualClock().now()))
    settle(box)
    account = Account()
    account.drain(box)
    return account, box


def empty(outbox: Path) -> None:
    os.truncate(outbox / "outbox.db", 0)


def empty_without_log(outbox: Path) -> None:
    os.truncate(outbox / "outbox.db", 0)
    (outbox / "outbox.db-wal").unlink(missing_ok=True)


def zeros(outbox: Path) -> None:
    database = outbox / "outbox.db"
    database.write_bytes(bytes(database.stat().st_size))
    (outbox / "outbox.db-wal").unlink(missing_ok=True)


def gone(outbox: Path) -> None:
    (outbox / "outbox.db").unlink()


def gone_with_the_counter(outbox: Path) -> None:
    (outbox / "outbox.db").unlink()
    (outbox / "boot").unlink()


@CLEAN
@pytest.mark.parametrize(
    "damage", [empty, empty_without_log, zeros, gone, gone_with_the_counter, shutil.rmtree]
)
def test_a_database_that_is_lost_is_declared(
    tmp_path: Path, damage: Callable[[Path], None], *, clean: bool
) -> None:
    state = leave(tmp_path, clean=clean)
    damage(state / "outbox")
    account, box = account_of(state)
    assert box.boot == 2
    assert not account.unexplained(1, RESULTS, marked=True)
    for of_boot, gap in account.gaps:
        assert (of_boot, gap.reason) == (1, "corrupt")
        assert gap.count == 0, "how many had been delivered is not known any more"
        assert gap.to_seq <= (RESULTS if clean else RESULTS + RESERVE_SEQS)
    assert not list((state / "outbox").glob("*corrupt*"))
    assert box.pending() == 0
    box.close()
    account, box = account_of(state)
    assert (box.boot, account.gaps) == (3, []), "told once"
    box.close()


def test_several_boots_are_declared_each(tmp_path: Path) -> None:
    for _ in range(3):
        box = start(tmp_path)
        box.append(plain(1, ManualClock().now()))
        assert box.flush(10.0)
        box.close()
    shutil.rmtree(tmp_path / "outbox")
    account, box = account_of(tmp_path)
    assert [(boot, g.from_seq, g.to_seq) for boot, g in account.gaps] == [
        (1, 1, 1),
        (2, 1, 1),
        (3, 1, 1),
    ]
    box.close()


def test_what_was_delivered_is_not_declared(tmp_path: Path) -> None:
    _, box = account_of(tmp_path)
    box.close()
    box = start(tmp_path)
    box.close()
    shutil.rmtree(tmp_path / "outbox")
    account, box = account_of(tmp_path)
    assert box.boot == 3
    assert [boot for boot, _ in account.gaps if boot == 1] == []
    box.close()


def test_a_database_of_an_earlier_day_that_is_put_back(tmp_path: Path) -> None:
    state = leave(tmp_path, clean=True)
    shutil.copytree(state / "outbox", tmp_path / "old")
    box = start(state)
    for number in range(1, 51):
        box.append(plain(number, ManualClock().now()))
    assert box.flush(10.0)
    box.close()
    shutil.rmtree(state / "outbox")
    shutil.copytree(tmp_path / "old", state / "outbox")
    account, box = account_of(state)
    assert box.boot == 3
    assert {n for n in account.numbers() if n > 1} == set(range(2, RESULTS + 1))
    assert not account.unexplained(2, 50, marked=True)
    box.close()


def left_with_a_log(state: Path, *, laps: int) -> Path:
    """Leave an outbox killed after ten commits; `laps`: so often its log had been filled before."""
    box = start(state / "running")
    for _ in range(laps * LAP_COMMITS):
        box.append(plain(0, ManualClock().now()))
        assert box.flush(10.0)
    taken = box.take(1 << 20)
    while taken:
        box.acknowledge([one.row for one in taken])
        assert box.flush(10.0)
        taken = box.take(1 << 20)
    for number in range(1, RESULTS + 1):
        box.append((alarm if number % 10 == 0 else plain)(number, ManualClock().now()))
        if number % (RESULTS // 10) == 0:
            assert box.flush(10.0)
    shutil.copytree(state / "running", state / "left")
    box.close()
    return state / "left"


@pytest.mark.parametrize("laps", [0, 1], ids=["new log", "log used before"])
@pytest.mark.parametrize("part", [0, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0])
def test_a_log_that_was_cut_off_is_declared(tmp_path: Path, part: float, laps: int) -> None:
    state = left_with_a_log(tmp_path, laps=laps)
    log = state / "outbox" / "outbox.db-wal"
    os.truncate(log, min(int(log.stat().st_size * part), log.stat().st_size - 1))
    first = 1 + LAP_COMMITS * laps
    account, box = account_of(state)
    assert box.boot == 2
    assert "the log was cut off" in box.quarantine_reason
    assert not [n for n in account.unexplained(1, first + RESULTS - 1, marked=True) if n >= first]
    for of_boot, gap in account.gaps:
        assert (of_boot, gap.reason) == (1, "corrupt")
        assert gap.to_seq <= first + RESULTS + RESERVE_SEQS
    box.close()
    account, box = account_of(state)
    assert (box.boot, account.gaps) == (3, []), "told once"
    box.close()


def test_a_log_that_is_gone_is_declared(tmp_path: Path) -> None:
    state = left_with_a_log(tmp_path, laps=0)
    (state / "outbox" / "outbox.db-wal").unlink()
    account, box = account_of(state)
    assert not account.unexplained(1, RESULTS, marked=True)
    box.close()


@pytest.mark.parametrize("laps", [0, 1], ids=["new log", "log used before"])
@pytest.mark.parametrize("data", [bytes(4096), bytes(range(256)) * 24], ids=["zeros", "others"])
def test_a_log_whose_start_is_overwritten_is_declared(
    tmp_path: Path, data: bytes, laps: int
) -> None:
    state = left_with_a_log(tmp_path, laps=laps)
    with (state / "outbox" / "outbox.db-wal").open("r+b") as log:
        log.write(data)
    first = 1 + LAP_COMMITS * laps
    account, box = account_of(state)
    assert box.quarantine_reason
    assert not [n for n in account.unexplained(1, first + RESULTS - 1, marked=True) if n >= first]
    box.close()


@pytest.mark.parametrize("max_mb", [1.0, 8.0, 64.0])
def test_a_log_that_is_whole_is_not_declared_lost(tmp_path: Path, max_mb: float) -> None:
    state = left_with_a_log(tmp_path, laps=1)
    mark = state / "outbox.mark"
    for boot in (2, 3, 4):  # each is killed in its turn, and finds another limit
        limit_mb = max_mb if boot % 2 == 0 else 8.0
        box = open_box(state / "outbox", ManualClock(), mark=mark, max_mb=limit_mb)
        account = Account()
        if boot == 4:
            account.drain(box)
            assert sorted(account.numbers()) == list(range(1, RESULTS + 1))
        assert (box.boot, box.quarantine_reason, account.gaps) == (boot, "", [])
        shutil.copytree(state, tmp_path / str(boot))
        box.close()
        state = tmp_path / str(boot)
        mark = state / "outbox.mark"


def test_an_outbox_of_an_earlier_version_is_declared_without_a_mark(tmp_path: Path) -> None:
    state = leave(tmp_path, clean=False)
    (state / "outbox.mark").unlink()
    gone(state / "outbox")
    (state / "outbox" / "outbox.db-wal").unlink()
    account, box = account_of(state)
    assert box.boot == 2
    assert [(boot, g.from_seq, g.to_seq, g.count) for boot, g in account.gaps] == [(1, 1, 1, 0)]
    box.close()


def test_a_first_start_that_made_nothing_owes_nothing(tmp_path: Path) -> None:
    start(tmp_path).close()
    shutil.rmtree(tmp_path / "outbox")
    account, box = account_of(tmp_path)
    assert (box.boot, account.gaps) == (2, [])
    box.close()


def test_either_counter_alone_is_enough(tmp_path: Path) -> None:
    for boot, spoilt in ((1, None), (2, "outbox/boot"), (3, "outbox.mark"), (4, "outbox/boot")):
        box = start(tmp_path)
        assert box.boot == boot
        box.append(plain(1, ManualClock().now()))
        box.close()
        if spoilt is not None:
            (tmp_path / spoilt).write_bytes(b"\0" * 100)


def test_marks_are_written_seldom_and_survive_a_torn_write(tmp_path: Path) -> None:
    path = tmp_path / "mark"
    marks = Marks(path)
    marks.begin(7, {5: 100, 6: 200})
    for seq in range(1, 50_001):
        marks.reserve(seq)
        assert marks.last_seqs[7] >= seq
        if seq % 1000 == 0:
            assert Marks(path).last_seqs == marks.last_seqs
    assert marks.written - 1 <= 50_000 / RESERVE_SEQS + 1
    reserved = marks.last_seqs[7]
    marks.end(50_000)
    assert Marks(path).last_seqs == {5: 100, 6: 200, 7: 50_000}
    version = marks.written
    with path.open("r+b") as file:  # the newest slot, torn
        file.seek(version % 2 * 4096 + 8)
        file.write(bytes(64))
    assert Marks(path).last_seqs == {5: 100, 6: 200, 7: reserved}
    assert Marks(path).boot == 7


def test_as_many_boots_as_are_kept_fit_into_the_marks(tmp_path: Path) -> None:
    marks = Marks(tmp_path / "mark")
    ends = dict.fromkeys(range(1 << 22, (1 << 22) + 1000), (1 << 40) - 1)
    marks.begin((1 << 23) - 1, ends)
    again = Marks(tmp_path / "mark")
    assert again.boot == (1 << 23) - 1
    assert list(again.last_seqs) == sorted(ends)[-MOST_BOOTS:]


@pytest.mark.parametrize("name", ["outbox/boot", "outbox/outbox.db", "outbox.mark"])
def test_a_folder_in_a_file_s_place_is_said_so(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir(parents=True)
    with pytest.raises(OutboxError, match="move away what is there"):
        start(tmp_path)
    (tmp_path / name).rmdir()
    start(tmp_path).close()


@pytest.mark.parametrize("name", ["outbox", "outbox/boot", "outbox/outbox.db", "outbox.mark"])
def test_what_another_user_owns_is_said_so(name: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away and become another user")
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to others
        state = Path(folder)
        start(state).close()
        for path in (state, *state.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
        os.chown(state / name, 0, 0)
        (state / name).chmod(0o755 if name == "outbox" else 0o600)
        with pytest.raises(OutboxError, match=f"may not .*{name}; give it to"), as_nobody():
            start(state)


def test_a_lock_of_an_earlier_version_is_in_nobody_s_way(tmp_path: Path) -> None:
    (tmp_path / "outbox" / "lock").mkdir(parents=True)
    box = start(tmp_path)
    with pytest.raises(OutboxError, match="held by another process"):
        start(tmp_path)
    box.close()
