"""Windows of a stream: sizes, stamps, gaps, any blocks, and the anti-alias filter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_runtime.clock import Stamp
from edge_runtime.errors import ConfigError
from edge_runtime.raw import Samples, SignalWindow
from edge_runtime.window import Resampler, Windower, low_pass, rate_ratio, whole_parts

START = Stamp(1_700_000_000.0, 500.0)
Values = NDArray[np.float32]


def ramp(count: int, channels: int = 1) -> Values:
    """Each value is its own row's number: what lies in a window tells where it was."""
    return np.repeat(np.arange(count, dtype=np.float32)[:, np.newaxis], channels, axis=1)


def block(values: Values, first: int, *, rate_hz: float = 100.0, gap: bool = False) -> Samples:
    names = tuple("xyz"[: values.shape[1]])
    return Samples(first, values, START.later(first / rate_hz), rate_hz, names, gap)


def blocks(values: Values, sizes: Sequence[int], rate_hz: float = 100.0) -> list[Samples]:
    """Cut into blocks of these sizes, over and over."""
    out, at = [], 0
    while at < len(values):
        size = sizes[len(out) % len(sizes)]
        out.append(block(values[at : at + size], at, rate_hz=rate_hz))
        at += size
    return out


def pushed(windower: Windower, stream: Iterable[Samples]) -> list[SignalWindow]:
    return [window for samples in stream for window in windower.push(samples)]


def firsts(windows: Iterable[SignalWindow]) -> list[float]:
    return [float(window.values[0, 0]) for window in windows]


@pytest.mark.parametrize(
    ("hop", "expected"), [(4, [0, 4, 8, 12]), (2, [0, 2, 4, 6, 8, 10, 12]), (7, [0, 7])]
)
def test_windows_begin_a_hop_apart(hop: int, expected: list[float]) -> None:
    windows = pushed(Windower(4, hop, 100.0), blocks(ramp(16), [5]))
    assert firsts(windows) == expected
    assert all(np.array_equal(np.diff(w.values, axis=0), np.ones((3, 1))) for w in windows)
    assert [w.index for w in windows] == list(range(len(expected)))


def test_the_stamp_is_that_of_the_last_sample() -> None:
    window = pushed(Windower(50, 50, 100.0), blocks(ramp(120), [7]))[1]
    assert window.values[-1, 0] == 99
    assert window.stamp.monotonic_s == pytest.approx(START.monotonic_s + 0.99, abs=1e-9)
    assert window.stamp.wall_s == pytest.approx(START.wall_s + 0.99, abs=1e-5)


def test_a_window_keeps_its_channels_and_outlives_the_block() -> None:
    source = block(ramp(8, channels=3), 0)
    [window] = Windower(8, 8, 100.0).push(source)
    source.values[:] = -1.0
    assert np.array_equal(window.values, ramp(8, channels=3))
    assert window.values.dtype == np.float32


@given(sizes=st.lists(st.integers(1, 400), min_size=1, max_size=8), rate_hz=st.sampled_from([
    100.0, 150.0, 70.0]))  # fmt: skip
def test_blocks_of_any_size_give_the_same_windows(sizes: list[int], rate_hz: float) -> None:
    signal = np.random.default_rng(4).normal(size=(1500, 2)).astype(np.float32)
    whole = pushed(Windower(64, 40, 100.0), [block(signal, 0, rate_hz=rate_hz)])
    parts = pushed(Windower(64, 40, 100.0), blocks(signal, sizes, rate_hz))
    assert len(whole) == len(parts) > 10
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one.values, other.values, atol=1e-6)
        assert one.index == other.index
        assert one.stamp.monotonic_s == pytest.approx(other.stamp.monotonic_s, abs=1e-6)


@given(st.lists(st.tuples(st.integers(1, 30), st.booleans()), min_size=1, max_size=30))
def test_no_window_spans_a_lost_block(plan: list[tuple[int, bool]]) -> None:
    windower, windows, at, holes, pending_hole, seen = Windower(8, 3, 100.0), [], 0, 0, False, False
    runs: list[int] = []
    for size, lost in plan:
        if lost:
            pending_hole = seen
        else:
            if pending_hole or not seen:
                holes += pending_hole
                runs.append(0)
            windows += windower.push(block(ramp(at + size)[at:], at))
            runs[-1] += size
            seen, pending_hole = True, False
        at += size
    assert windower.gaps == holes
    assert all(np.array_equal(np.diff(w.values, axis=0), np.ones((7, 1))) for w in windows)
    assert len(windows) == sum((length - 8) // 3 + 1 for length in runs if length >= 8)


def test_a_gap_throws_away_what_was_collected_and_counts_it() -> None:
    windower = Windower(10, 10, 100.0)
    assert windower.push(block(ramp(6), 0)) == ()
    after = ramp(18)[6:]
    [window] = windower.push(block(after, 6, gap=True))
    assert window.values[0, 0] == 6
    assert (windower.gaps, windower.discarded) == (1, 6)


@pytest.mark.parametrize(
    "second",
    [
        block(ramp(6), 7),
        block(ramp(6, channels=2), 6),
        block(ramp(6), 6, rate_hz=50.0),
        Samples(6, ramp(6), START.later(2.0), 100.0, ("x",)),
    ],
    ids=["rows are missing", "other channels", "other rate", "two seconds late"],
)
def test_blocks_that_do_not_follow_on_are_a_gap(second: Samples) -> None:
    windower = Windower(10, 10, 100.0)
    windower.push(block(ramp(6), 0))
    assert windower.push(second) == ()
    assert windower.gaps == 1


def test_late_delivery_within_the_slack_is_no_gap() -> None:
    windower = Windower(10, 10, 100.0)
    windower.push(block(ramp(6), 0))
    late = Samples(6, ramp(10)[6:], START.later(0.5), 100.0, ("x",))
    assert len(windower.push(late)) == 1
    assert windower.gaps == 0


def test_a_resampled_window_never_spans_a_gap_either() -> None:
    windower = Windower(100, 100, 80.0)
    level = np.full((400, 1), 1.0, np.float32)
    windows = [*windower.push(block(level, 0)), *windower.push(block(5.0 * level, 500))]
    assert len(windows) == 4
    assert {round(float(v), 4) for w in windows for v in w.values[:, 0]} == {1.0, 5.0}


def test_resampling_keeps_a_tone_where_it_was() -> None:
    at_s = np.arange(12_000) / 12_000.0
    tone = np.sin(2.0 * np.pi * 440.0 * at_s).astype(np.float32)[:, np.newaxis]
    windows = pushed(Windower(1024, 1024, 8000.0), blocks(tone, [480], rate_hz=12_000.0))
    for window in windows:
        end_s = window.stamp.monotonic_s - START.monotonic_s
        expected = np.sin(2.0 * np.pi * 440.0 * (end_s + (np.arange(1024) - 1023) / 8000.0))
        np.testing.assert_allclose(window.values[:, 0], expected, atol=1e-4)
        assert window.rate_hz == 8000.0


@pytest.mark.parametrize(("up", "down"), [(2, 3), (1, 6), (3, 2), (160, 441)])
def test_resampler_agrees_with_scipy(up: int, down: int) -> None:
    signal = pytest.importorskip("scipy.signal", reason="compares with SciPy; not installed")
    noise = np.random.default_rng(6).normal(size=6000).astype(np.float32)
    resampler = Resampler(up, down)
    ours = resampler.push(noise[:, np.newaxis])[:, 0]
    # resample_poly scales the taps by `up` itself.
    theirs = signal.resample_poly(noise.astype(float), up, down, window=low_pass(up, down) / up)
    inner = theirs[resampler.first : resampler.first + len(ours)]
    np.testing.assert_allclose(ours, inner, atol=2e-6)


@pytest.mark.parametrize(("up", "down"), [(2, 3), (1, 6), (3, 2)])
def test_filter_is_flat_then_closed_at_the_lower_nyquist(up: int, down: int) -> None:
    signal = pytest.importorskip("scipy.signal", reason="compares with SciPy; not installed")
    taps = low_pass(up, down)
    edge = 1.0 / max(up, down)
    beta = signal.kaiser_beta(80.0)
    reference = up * signal.firwin(taps.size, 0.95 * edge, window=("kaiser", beta))
    np.testing.assert_allclose(taps, reference, atol=1e-6)
    share, response = signal.freqz(taps / up, worN=1 << 15)
    gain = np.abs(response)
    assert np.abs(gain[share <= 0.9 * edge * np.pi] - 1.0).max() < 2e-4
    assert 20.0 * np.log10(gain[share >= edge * np.pi].max()) < -79.0


@pytest.mark.parametrize("tone_hz", [4050.0, 4500.0, 5900.0])
def test_what_would_alias_is_gone(tone_hz: float) -> None:
    tone = np.sin(2.0 * np.pi * tone_hz * np.arange(12_000) / 12_000.0).astype(np.float32)
    left = Resampler(2, 3).push(tone[:, np.newaxis])
    assert np.abs(left).max() < 2e-4


def test_ratios() -> None:
    assert rate_ratio(12_000.0, 8000.0) == (2, 3)
    assert rate_ratio(44_100.0, 16_000.0) == (160, 441)
    assert rate_ratio(3200.0 / 3.0, 1600.0 / 3.0) == (1, 2)


@pytest.mark.parametrize(("rate_hz", "says"), [(7993.0, "set the source to"), (0.0, "fixed rate")])
def test_a_rate_that_cannot_be_brought_over_says_what_to_do(rate_hz: float, says: str) -> None:
    samples = Samples(0, ramp(1), START, rate_hz, ("x",))
    with pytest.raises(ConfigError, match=says):
        Windower(16, 8, 8000.0).push(samples)


@pytest.mark.parametrize(("size", "hop", "rate_hz"), [(0, 1, 1.0), (1, 0, 1.0), (1, 1, 0.0)])
def test_empty_windows_are_refused(size: int, hop: int, rate_hz: float) -> None:
    with pytest.raises(ConfigError, match="greater than 0"):
        Windower(size, hop, rate_hz)


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(1, 9))
def test_no_window_holds_a_missing_value_and_all_that_can_be_cut_are(
    there: list[bool], size: int
) -> None:
    values = ramp(len(there), 2)
    values[~np.array(there), 1] = np.nan
    windower = Windower(3, 3, 100.0)
    parts = [part for one in blocks(values, [size]) for part in whole_parts(one)]
    windows = pushed(windower, parts)
    assert all(np.array_equal(np.diff(w.values, axis=0), np.ones((2, 2))) for w in windows)
    for window in windows:
        last = window.values[-1, 0] / 100.0
        assert window.stamp.monotonic_s == pytest.approx(START.monotonic_s + last)
    runs = "".join(".x"[one] for one in there).split(".")
    assert len(windows) == sum(len(run) // 3 for run in runs)
