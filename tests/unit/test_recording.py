"""Recordings: what comes back is what went in, within the bounds, whatever befell the file."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edge_runtime.clock import ManualClock, Stamp
from edge_runtime.errors import EdgeError, SourceError, UsageError
from edge_runtime.jobs.recordings import Recordings, default_name
from edge_runtime.jobs.replay import check_fit
from edge_runtime.options import (
    RecordingOptions,
    StreamOptions,
    SyntheticOptions,
    VibrationOptions,
    VideoOptions,
)
from edge_runtime.options.recorded import DATA, MANIFEST, read_recorded
from edge_runtime.raw import Frame, Samples
from edge_runtime.sources import open_source
from edge_runtime.sources.record_frames import KEY_EVERY
from edge_runtime.sources.recorder import Origin, Recorder, RecordingLimits
from support.recordings import (
    ROOM,
    all_same,
    drawn,
    keep,
    played,
    rows,
    same,
    source_of,
)
from support.sources import take

LARGER = SyntheticOptions(width=320, height=240, realtime=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "recordings" / "one"


def test_pictures_come_back_bit_for_bit_whatever_their_size_and_colours(folder: Path) -> None:
    noise = np.random.default_rng(1)
    shapes = [(48, 64, 3)] * 3 + [(32, 64, 3)] * 2 + [(32, 64)] * 3
    pictures: list[Frame | Samples] = [
        Frame(n, noise.integers(0, 256, shape).astype(np.uint8), Stamp(1.5e9 + n / 7, n / 7, n > 2))
        for n, shape in enumerate(shapes)
    ]
    keep(folder, pictures)
    assert all_same(played(folder)[0], pictures)


def test_a_real_clip_comes_back_bit_for_bit_over_several_whole_pictures(
    folder: Path, data: Path
) -> None:
    clip = VideoOptions(data / "video" / "one-by-one-person-detection.mp4", realtime=False)
    source = open_source(clip, ManualClock())
    source.open()
    pictures = take(source, KEY_EVERY + 10)
    source.close()
    _, recorded = keep(folder, pictures)
    assert all_same(played(folder)[0], pictures)
    raw_bytes = sum(one.image.nbytes for one in pictures if isinstance(one, Frame))
    assert recorded.size_bytes < raw_bytes / 4
    assert (recorded.holds, recorded.width, recorded.height) == ("pictures", 768, 432)


def test_rows_come_back_to_the_last_digit_with_their_gaps_and_stamps(folder: Path) -> None:
    blocks = rows(5)
    blocks[2] = msgspec.structs.replace(blocks[2], gap=True)
    blocks[3] = msgspec.structs.replace(blocks[3], stamp=Stamp(1.1, 8.25, False), index=77)
    _, recorded = keep(folder, blocks)
    assert all_same(played(folder)[0], blocks)
    assert (recorded.channels, recorded.units) == (("a", "b"), ("m", "Cel"))
    assert (recorded.samples, recorded.length_s, recorded.ended) == (5, 4.0, "done")
    source = source_of(folder)
    assert (source.channels, source.units) == (("a", "b"), ("m", "Cel"))


def test_it_is_for_its_owner_s_eyes_alone(folder: Path) -> None:
    keep(folder, rows(1))
    for place in (folder.parent, folder):
        assert place.stat().st_mode & 0o777 == 0o700
    assert {one.stat().st_mode & 0o777 for one in folder.iterdir()} == {0o600}


@pytest.mark.parametrize(
    ("samples", "most"),
    [(rows(5000), 200_000), (drawn(30, LARGER), 120_000)],
    ids=["rows", "pictures"],
)
def test_it_never_grows_past_its_bytes(
    folder: Path, samples: list[Frame | Samples], most: int
) -> None:
    recorder, recorded = keep(folder, samples, RecordingLimits(most, reserve_bytes=0))
    size = sum(one.stat().st_size for one in folder.iterdir())
    assert most / 2 < size <= most
    assert recorded.ended == f"its {most / 1e6:g} MB are full"
    assert recorder.add(samples[-1]) == recorded.ended
    assert (folder / DATA).stat().st_size == recorded.size_bytes
    kept, notice = played(folder)
    assert 0 < len(kept) < len(samples)
    assert all_same(kept, samples[: len(kept)])
    assert notice == ""


def test_it_ends_after_its_time_and_leaves_room_on_the_disk(folder: Path) -> None:
    _, recorded = keep(folder, rows(100), RecordingLimits(10**9, 30.0, 0))
    assert (recorded.samples, recorded.ended) == (30, "0.5 minutes are recorded")
    _, recorded = keep(
        folder.with_name("two"), rows(100), RecordingLimits(10**9, reserve_bytes=10**18)
    )
    assert recorded.samples == 0
    assert recorded.ended.endswith("of the disk are left, which stay free")


def test_without_a_sample_there_is_no_folder(folder: Path) -> None:
    assert Recorder(folder, Origin("yard", "drawn"), ROOM).close("stopped") is None
    assert not folder.parent.exists()


def cut_short(folder: Path, size: int) -> None:
    """Leave what a power cut leaves: no end in the manifest, so many bytes of data."""
    recorded = read_recorded(folder)
    unended = msgspec.structs.replace(recorded, ended="", samples=0, size_bytes=0)
    (folder / MANIFEST).write_bytes(msgspec.json.encode(unended))
    with (folder / DATA).open("r+b") as file:
        file.truncate(size)


def test_wherever_a_power_cut_tears_it_the_whole_entries_play(folder: Path) -> None:
    blocks = rows(6)
    _, recorded = keep(folder, blocks)
    each = recorded.size_bytes // 6
    for size in range(recorded.size_bytes - 1, recorded.size_bytes - 3 * each, -1):
        cut_short(folder, size)
        kept, notice = played(folder)
        assert all_same(kept, blocks[: size // each])
        assert f"cut short by a power cut or a kill, at entry {size // each}" in notice
        assert f"; {size % each} bytes" in notice


def test_what_a_power_cut_left_as_zeros_is_cut_off(folder: Path) -> None:
    blocks = rows(3)
    _, recorded = keep(folder, blocks)
    cut_short(folder, recorded.size_bytes + 10_000)
    kept, notice = played(folder)
    assert all_same(kept, blocks)
    assert "10000 bytes of one that is not whole are cut off" in notice


def flipped(file: Path, place: int) -> None:
    data = bytearray(file.read_bytes())
    data[place] ^= 1 << place % 8
    file.write_bytes(data)


def test_whichever_byte_is_damaged_no_wrong_row_comes_and_it_is_said(folder: Path) -> None:
    blocks = rows(8)
    keep(folder, blocks)
    whole = (folder / DATA).read_bytes()
    each = len(whole) // len(blocks)
    for place in range(0, len(whole), 7):
        flipped(folder / DATA, place)
        hit = place // each
        kept, notice = played(folder)
        assert [one.index for one in kept] == [n for n in range(8) if n != hit], place
        for one in kept:
            assert isinstance(one, Samples)
            assert one.gap == (one.index == hit + 1)
            assert same(msgspec.structs.replace(one, gap=False), blocks[one.index])
        left_out = f"the entries {hit} to {hit} are left out" if hit < 7 else "its last"
        assert f"{folder / DATA}: damaged; {left_out}" in notice
        (folder / DATA).write_bytes(whole)


def test_a_damaged_picture_takes_those_along_that_rest_on_it(folder: Path) -> None:
    pictures = drawn(2 * KEY_EVERY)
    keep(folder, pictures)
    size = (folder / DATA).stat().st_size
    for place in random.Random(1).sample(range(size), 12):
        flipped(folder / DATA, place)
        kept, notice = played(folder)
        lost = sorted({one.index for one in pictures} - {one.index for one in kept})
        assert lost == list(range(lost[0], lost[-1] + 1))
        assert lost[-1] in (KEY_EVERY - 1, 2 * KEY_EVERY - 1)
        assert all(same(one, pictures[one.index]) for one in kept)
        assert "damaged" in notice
        flipped(folder / DATA, place)
    assert all_same(played(folder)[0], pictures)


def test_a_recording_whose_end_is_gone_says_how_much_is_missing(folder: Path) -> None:
    _, recorded = keep(folder, rows(4))
    with (folder / DATA).open("r+b") as file:
        file.truncate(recorded.size_bytes // 2)
    kept, notice = played(folder)
    assert len(kept) == 2
    assert f"its last {recorded.size_bytes // 2} bytes are left out" in notice


def test_again_and_again_it_goes_on_in_number_and_time(folder: Path) -> None:
    keep(folder, rows(3))
    source = source_of(folder, loop=True)
    source.open()
    blocks = take(source, 8)
    source.close()
    assert [one.index for one in blocks] == list(range(8))
    assert [one.stamp.monotonic_s for one in blocks] == [5.0 + n for n in range(8)]
    assert [one.gap for one in blocks] == [n in (3, 6) for n in range(8)]  # type: ignore[union-attr]


def test_in_real_time_it_takes_as_long_as_it_did_and_gives_the_same(folder: Path) -> None:
    blocks = rows(20)
    keep(folder, blocks)
    clock = ManualClock()
    source = source_of(folder, realtime=True, clock=clock)
    source.open()
    begun_s = clock.monotonic()
    for number, block in enumerate(blocks):
        sample = source.read()
        assert sample is not None
        assert same(sample, block)
        assert clock.monotonic() - begun_s == pytest.approx(number)
    source.close()
    assert source.lossless
    assert RecordingOptions(folder, realtime=True).hang_limit_s == float("inf")


def test_while_it_is_recorded_it_neither_plays_nor_goes_away(folder: Path) -> None:
    recorder = Recorder(folder, Origin("yard", "drawn"), ROOM)
    recorder.add(rows(1)[0])
    recordings = Recordings(folder.parent.parent)
    with pytest.raises(SourceError, match="is being recorded; end that first"):
        source_of(folder).open()
    with pytest.raises(EdgeError, match="is being recorded or played"):
        recordings.remove("one")
    assert [one.state for one in recordings.list()] == ["recording"]
    recorder.close("done")
    assert [one.state for one in recordings.list()] == ["whole"]
    recordings.remove("one")
    assert recordings.list() == ()


def test_the_list_tells_whole_from_cut_short_and_damaged(folder: Path) -> None:
    recordings = Recordings(folder.parent.parent)
    for name in ("cut", "empty", "short", "whole"):
        keep(folder.with_name(name), rows(4))
    cut_short(folder.with_name("cut"), 100)
    (folder.with_name("empty") / MANIFEST).write_text("{}")
    (folder.with_name("short") / DATA).write_bytes(b"")
    found = {one.name: one.state for one in recordings.list()}
    assert found == {"cut": "cut short", "empty": "damaged", "short": "damaged", "whole": "whole"}


def test_names_are_checked(folder: Path) -> None:
    recordings = Recordings(folder.parent.parent)
    keep(folder, rows(1))
    refused: list[tuple[Callable[[str], object], str, str]] = [
        (recordings.new, "one", "there is one already; give another --name"),
        (recordings.new, "../one", "is no name"),
        (recordings.remove, "../recordings", "is no name"),
        (recordings.remove, "two", "no such recording"),
        (recordings.find, "two", "record --list"),
    ]
    for call, name, said in refused:
        with pytest.raises(UsageError, match=said):
            call(name)
    assert recordings.find("one") == folder
    assert recordings.find(str(folder)) == folder
    assert recordings.new(default_name("gate", Stamp(0.0, 0.0))).name == "gate-19700101-000000"


def test_a_recording_of_another_format_is_refused(folder: Path) -> None:
    _, recorded = keep(folder, rows(1))
    later = msgspec.structs.replace(recorded, format=2)
    (folder / MANIFEST).write_bytes(msgspec.json.encode(later))
    with pytest.raises(UsageError, match="format 2 is not known here, 1 is"):
        read_recorded(folder)


def test_a_recording_must_hold_what_the_stream_takes(folder: Path) -> None:
    pump = StreamOptions("pump", VibrationOptions())
    _, pictures = keep(folder, drawn(2))
    with pytest.raises(UsageError, match="holds pictures 160x120, and stream 'pump' takes rows of"):
        check_fit(pump, folder, pictures)
    _, readings = keep(folder.with_name("two"), rows(2))
    with pytest.raises(UsageError, match="holds rows of a, b, and stream 'gate' takes pictures"):
        check_fit(StreamOptions("gate"), folder, readings)
    with pytest.raises(UsageError, match=r"rows of a, b, .*rows of acceleration at 12000 Hz"):
        check_fit(pump, folder, readings)
    _, vibration = keep(folder.with_name("three"), drawn(2, VibrationOptions(realtime=False)))
    check_fit(pump, folder, vibration)
