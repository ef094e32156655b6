"""Accelerators that crash, hang, take nothing or compute wrong: in a trial, and in its ledger."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_runtime.board.drivers import driver_versions
from edge_runtime.board.libraries import library_files
from edge_runtime.errors import BackendError
from edge_runtime.infer.base import AcceleratorMissingError
from edge_runtime.infer.child import TimedOutError
from edge_runtime.manifest import Pack
from edge_runtime.model.trial import try_pack
from edge_runtime.model.trial_ledger import FILE, TrialLedger
from edge_runtime.options import DelegateOptions
from edge_runtime.packs.manifest_file import open_pack
from support.daemon import command
from support.delegates import ABORTS, HANGS, build_library, pack_without_golden
from support.road import PACK, head, stream
from support.surroundings import tree

MISSING = 'report("no device found"); return NULL'


@pytest.fixture
def pack() -> Pack:
    return open_pack(PACK)


def refusal(pack: Pack, delegate: DelegateOptions, timeout_s: float = 60.0) -> BackendError:
    """Return why a trial on a delegate is refused: one line that names the library."""
    with pytest.raises(BackendError) as error:
        try_pack(pack, delegate=delegate, timeout_s=timeout_s)
    assert "\n" not in str(error.value)
    assert Path(delegate.library).name in str(error.value)
    return error.value


def processes_of(library: Path) -> list[str]:
    """Return the processes that have a library mapped."""
    found = []
    for maps in Path("/proc").glob("[0-9]*/maps"):
        try:
            if str(library) in maps.read_text():
                found.append(maps.parent.name)
        except OSError:  # it ended meanwhile
            continue
    return found


# The trial


@pytest.mark.parametrize(
    ("on_create", "said"),
    [
        (ABORTS, "crashed its test process (SIGABRT)"),
        # A child does not get the board's memory.
        ("_exit(malloc((size_t)3 << 30) ? 1 : 7)", "ended with status 7"),
    ],
)
def test_a_library_that_ends_its_process_takes_only_the_child(
    pack: Pack, tmp_path: Path, on_create: str, said: str
) -> None:
    library = build_library(tmp_path / "libdelegate.so", on_create=on_create)
    assert said in str(refusal(pack, DelegateOptions(str(library))))


def test_a_library_that_hangs_is_ended_in_time(pack: Pack, tmp_path: Path) -> None:
    library = build_library(tmp_path / "libdelegate.so", on_create=HANGS)
    error = refusal(pack, DelegateOptions(str(library)), timeout_s=3.0)
    assert isinstance(error, TimedOutError)
    assert "did not run within 3 s and was ended; the delegate's library" in str(error)
    assert processes_of(library) == []


def test_what_is_not_there_is_told_from_what_does_not_work(pack: Pack, tmp_path: Path) -> None:
    missing = refusal(pack, DelegateOptions("libnowhere.so"))
    assert isinstance(missing, AcceleratorMissingError)
    library = build_library(tmp_path / "libdelegate.so", on_create=MISSING)
    unplugged = refusal(pack, DelegateOptions(str(library)))
    assert isinstance(unplugged, AcceleratorMissingError)
    assert "no device found); is the accelerator plugged in" in str(unplugged)

    library.write_bytes(b"no library")
    assert not isinstance(refusal(pack, DelegateOptions(str(library))), AcceleratorMissingError)
    assert "is no TFLite external delegate" in str(refusal(pack, DelegateOptions("libm.so.6")))


def test_wrong_numbers_are_the_library_s_fault_where_the_cpu_has_the_right_ones(
    pack: Pack, tmp_path: Path
) -> None:
    library = build_library(tmp_path / "libdelegate.so")
    why = str(refusal(pack, DelegateOptions(str(library))))
    assert "computes wrong: village-road@26623acb does not give its golden result on it" in why
    assert "and does so on the CPU" in why


# The ledger


def test_a_library_that_passed_and_was_replaced_is_tried_in_the_child_again(tmp_path: Path) -> None:
    pack = open_pack(pack_without_golden(tmp_path))
    library = build_library(tmp_path / "libdelegate.so")
    delegate = DelegateOptions(str(library))
    ledger = TrialLedger(tmp_path)
    assert ledger.is_due(pack, forced="auto", delegate=delegate)
    ledger.ensure(pack, forced="auto", delegate=delegate)
    (row,) = json.loads((tmp_path / FILE).read_bytes()).values()
    measured = {"library": "libdelegate.so", "nodes": 46, "nodes_taken": 46, "partitions": 1}
    assert row == {"pack": "village-road@26623acb", "accelerator": {**measured, "macs_share": 1.0}}
    assert not TrialLedger(tmp_path).is_due(pack, forced="auto", delegate=delegate)

    build_library(library, on_create=ABORTS)
    for one in (ledger, TrialLedger(tmp_path)):
        assert one.is_due(pack, forced="auto", delegate=delegate)
        with pytest.raises(BackendError, match="SIGABRT"):
            one.ensure(pack, forced="auto", delegate=delegate)


def test_what_hung_is_left_to_its_own_stream_until_it_changes(tmp_path: Path) -> None:
    pack = open_pack(pack_without_golden(tmp_path))
    library = build_library(tmp_path / "libdelegate.so", on_create=HANGS)
    delegate = DelegateOptions(str(library))
    ledger = TrialLedger(tmp_path, timeout_s=3.0)
    with pytest.raises(TimedOutError):
        ledger.ensure(pack, forced="auto", delegate=delegate)
    assert not TrialLedger(tmp_path).is_due(pack, forced="auto", delegate=delegate)
    build_library(library)
    assert TrialLedger(tmp_path).is_due(pack, forced="auto", delegate=delegate)


@pytest.mark.parametrize("text", ["", "[]", '{"a": "village-road@26623acb"}', '{"a": {"pack": 1}}'])
def test_a_ledger_that_cannot_be_read_holds_nothing(pack: Pack, tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    ledger = TrialLedger(tmp_path)
    ledger.ensure(pack, forced="auto", delegate=None)
    assert not ledger.is_due(pack, forced="auto", delegate=None)


def test_the_driver_is_part_of_what_a_trial_depends_on(tmp_path: Path) -> None:
    (release,) = driver_versions(tree(tmp_path, {"sys/module/loop/version": "1"}))
    assert release == Path("/proc/sys/kernel/osrelease").read_text().strip()
    tree(tmp_path, {"sys/module/apex/srcversion": "ABC\n", "sys/module/galcore/version": "6.4\n"})
    assert driver_versions(tmp_path)[1:] == ("apex  ABC", "galcore 6.4")


def test_a_library_is_found_as_the_linker_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (listed,) = library_files("libm.so.6")
    assert listed.name.startswith("libm")
    assert listed.read_bytes()[:4] == b"\x7fELF"
    mine = build_library(tmp_path / "libmine.so.1")
    (tmp_path / "libmine.so").symlink_to(mine.name)
    assert library_files("libmine.so") == ()
    assert library_files(str(tmp_path / "libmine.so")) == (mine,)
    monkeypatch.setenv("LD_LIBRARY_PATH", f"/nowhere:{tmp_path}")
    assert library_files("libmine.so") == (mine,)


# `check`


@pytest.mark.parametrize(
    ("takes", "on_create", "status", "said"),
    [
        (0, "", 2, "streams[0].model.delegate: libdelegate.so took 0 of 46 operators, 0 % of the"),
        (100, ABORTS, 2, "crashed its test process (SIGABRT)"),
        (100, MISSING, 0, "not checked here: streams[0].model.delegate: delegate"),
        (100, "", 0, "measured road: libdelegate.so took 46 of 46 operators, 100 % of the"),
    ],
)
def test_check_calls_good_what_was_checked(
    tmp_path: Path, takes: int, on_create: str, status: int, said: str
) -> None:
    library = build_library(tmp_path / "libdelegate.so", takes=takes, on_create=on_create)
    model = f'pack = "{pack_without_golden(tmp_path)}", delegate = {{ library = "{library}" }}'
    config = tmp_path / "edge-runtime.toml"
    config.write_text(head("mqtt://nowhere.example") + stream(model=model))
    done = command("check", "--config", str(config), "--state-dir", str(tmp_path / "state"))
    assert (done.returncode, said in done.stdout + done.stderr) == (status, True)
    good = [line for line in done.stdout.splitlines() if line.startswith(f"{config}: good")]
    assert good == (
        []
        if status
        else [f"{config}: good" + ", but for 1 not checked here" * (on_create == MISSING)]
    )
