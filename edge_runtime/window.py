"""Blocks of samples to windows of one size, at the model's own rate. No window spans a gap.

Anti-alias filter of `Resampler`: a linear-phase FIR low-pass by the window method, Kaiser window,
80 dB (beta 7.86 by Kaiser's formula), flat to 0.9 of the lower of the two Nyquist frequencies and
fully closed at it, so that what could alias is 80 dB down before the rate goes down. Only outputs
whose whole filter lies within the data are given: no edge is made up of zeros.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from math import ceil, isfinite, pi

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_runtime.clock import Stamp
from edge_runtime.errors import ConfigError
from edge_runtime.raw import Samples, SignalWindow

ATTENUATION_DB = 80.0
PASS_SHARE = 0.9  # of the lower Nyquist frequency; the transition band is the rest
MAX_FACTOR = 512  # 44.1 kHz and 16 kHz: 160 / 441; beyond it, a ratio is likely a mistake

Values = NDArray[np.float32]
Taps = NDArray[np.float64]


class Windower:
    """Cuts one stream's blocks into windows of `size` samples, every `hop`, at `rate_hz`.

    One thread calls it. A gap is: a block that says so, an index that skips rows (a block was
    dropped on the way), another rate or other channels, or a block that begins more than
    `max_late_s` away from where the rows before it end. What was collected is then thrown away,
    counted in `discarded`, and windows begin anew with the block after the gap.
    """

    def __init__(self, size: int, hop: int, rate_hz: float, *, max_late_s: float = 1.0) -> None:
        if size < 1 or hop < 1 or not (isfinite(rate_hz) and rate_hz > 0.0):
            raise ConfigError(
                "windows of {size} samples every {hop} at {rate_hz:g} Hz: all three must be "
                "greater than 0",
                size=size,
                hop=hop,
                rate_hz=rate_hz,
            )
        self._size, self._hop, self._rate_hz = size, hop, rate_hz
        self._max_late_s = max_late_s
        self._last: Samples | None = None
        self._run: WindowRun | None = None
        self._next_index = 0
        self.gaps = 0
        self.discarded = 0

    def push(self, block: Samples) -> tuple[SignalWindow, ...]:
        """Take the next block; return the windows that it completes, oldest first.

        The block: float64 (n, channels), n >= 1; each window float32 (size, channels).
        Raises ConfigError where the block's rate has no small ratio to the windows' rate.
        """
        if self._last is not None and is_gap(self._last, block, self._max_late_s):
            self.gaps += 1
            self.discarded += self._run.pending if self._run is not None else 0
            self._run = None
        if self._run is None:
            self._run = WindowRun(self._size, self._hop, block, self._rate_hz)
        self._last = block
        windows = self._run.push(block, self._next_index)
        self._next_index += len(windows)
        return windows


class WindowRun:
    """The windows of one stretch of data without a gap."""

    def __init__(self, size: int, hop: int, first_block: Samples, rate_hz: float) -> None:
        self._size, self._hop = size, hop
        self._resampler = Resampler(*rate_ratio(first_block.rate_hz, rate_hz))
        self._rate_hz = rate_hz
        self._taken = 0  # samples of blocks, before the latest block
        self._held: list[Values] = []  # resampled, in order; the first is number `_held_from`
        self._held_from = self._made = self._resampler.first
        self._begin = self._resampler.first  # number of the next window's first sample

    @property
    def pending(self) -> int:
        """How many samples, at the windows' rate, wait for a window to be full."""
        return self._made - self._held_from

    def push(self, block: Samples, index: int) -> tuple[SignalWindow, ...]:
        """Take a block (n, channels); return the windows (size, channels) that it completes.

        They are numbered from `index`.
        """
        made = self._resampler.push(block.values)
        self._held.append(made)
        self._made += len(made)
        windows: tuple[SignalWindow, ...] = ()
        if self._begin + self._size <= self._made:
            windows = self._cut(np.concatenate(self._held), block, index)
        self._taken += len(block.values)
        return windows

    def _cut(self, held: Values, block: Samples, index: int) -> tuple[SignalWindow, ...]:
        windows: list[SignalWindow] = []
        while self._begin + self._size <= self._made:
            at = self._begin - self._held_from
            stamp = self._moment(self._begin + self._size - 1, block)
            values = held[at : at + self._size].copy()  # a view would keep the whole block alive
            windows.append(SignalWindow(values, stamp, self._rate_hz, index + len(windows)))
            self._begin += self._hop
        done = min(self._begin, self._made) - self._held_from
        self._held, self._held_from = [held[done:]], self._held_from + done
        return tuple(windows)

    def _moment(self, number: int, block: Samples) -> Stamp:
        # From the latest block's stamp, so that the sensor's own clock cannot drift away.
        position = self._resampler.position(number)
        return block.stamp.later((position - self._taken) / block.rate_hz)


class Resampler:
    """Changes the rate by up / down, block by block; the blocks' sizes change nothing.

    Output number k is the signal at position k * down / up in samples of the input, without delay;
    `first` is the first whose whole filter lies within the data.
    """

    def __init__(self, up: int, down: int) -> None:
        self._up, self._down = up, down
        self._bank = polyphase(low_pass(up, down), up)
        self._half = int(self._bank.shape[1]) // 2
        self.first: int = -(-self._half * up // down)
        self._next = self.first
        self._held: Taps = np.empty((0, 0))
        self._held_from = 0

    def position(self, number: int) -> float:
        """Return where an output lies, in samples of the input."""
        return number * self._down / self._up

    def push(self, values: NDArray[np.floating]) -> Values:
        """Take (n, channels); return float32 (m, channels), the outputs whose filters are full."""
        held = (
            np.concatenate([self._held, values]) if self._held.size else values.astype(np.float64)
        )
        end = self._held_from + len(held)
        stop = max(self._next, ((end - self._half) * self._up - 1) // self._down + 1)
        out = np.empty((stop - self._next, values.shape[1]), np.float32)
        if len(out):
            views = np.lib.stride_tricks.sliding_window_view(held, self._bank.shape[1], axis=0)
            for phase in range(min(self._up, len(out))):
                number = self._next + phase
                at = number * self._down // self._up - self._half - self._held_from
                branch = out[phase :: self._up]
                taps = self._bank[number * self._down % self._up]
                branch[:] = views[at :: self._down][: len(branch)] @ taps
        self._next = stop
        done = min(len(held), stop * self._down // self._up - self._half - self._held_from)
        self._held, self._held_from = held[max(0, done) :], self._held_from + max(0, done)
        return out


def low_pass(up: int, down: int) -> Taps:
    """Return the filter at `up` times the input's rate, of odd length, gain `up` at 0 Hz.

    Kaiser (1974), "Nonrecursive digital filter design using the I0-sinh window function":
    beta = 0.1102 (A - 8.7), length - 1 = (A - 7.95) / (2.285 transition), in radians a sample.
    """
    if up == down == 1:
        return np.ones(1)
    edge = 1.0 / max(up, down)  # the lower Nyquist frequency, as a share of the filter's own
    transition = (1.0 - PASS_SHARE) * edge
    length = (ATTENUATION_DB - 7.95) / (2.285 * pi * transition) + 1.0
    half = ceil(length / 2.0 / up) * up  # whole branches on both sides of the centre
    cutoff = edge - transition / 2.0
    steps = np.arange(-half, half + 1)
    taps = cutoff * np.sinc(cutoff * steps) * np.kaiser(steps.size, 0.1102 * (ATTENUATION_DB - 8.7))
    return np.asarray(up * taps / taps.sum())


def polyphase(taps: Taps, up: int) -> Taps:
    """Return (up, branch): row r weights the inputs around an output r / up past the middle one."""
    half = (taps.size - 1) // 2
    reach = half // up
    at = half + np.arange(up)[:, np.newaxis] - np.arange(-reach, reach + 1) * up
    return np.where(at < taps.size, taps[np.minimum(at, taps.size - 1)], 0.0)


def rate_ratio(from_hz: float, to_hz: float) -> tuple[int, int]:
    """Return (up, down). Raises ConfigError where no ratio of small whole numbers gives it."""
    if from_hz <= 0.0:
        raise ConfigError("windows need samples at a fixed rate; give the source its rate_hz")
    ratio = Fraction(to_hz / from_hz).limit_denominator(MAX_FACTOR)
    if 0 < ratio.numerator <= MAX_FACTOR and abs(ratio * from_hz / to_hz - 1.0) < 1e-9:
        return ratio.numerator, ratio.denominator
    raise ConfigError(
        "samples at {from_hz:g} Hz cannot be brought to the model's {to_hz:g} Hz: no ratio of "
        "numbers up to {most}; set the source to {to_hz:g} Hz or a simple multiple of it",
        from_hz=from_hz,
        to_hz=to_hz,
        most=MAX_FACTOR,
    )


def whole_parts(block: Samples) -> Iterator[Samples]:
    """Yield the stretches of a block in which no value is missing: what lies between is a gap.

    Their indices say so: none is without a row of the block before the next one.
    """
    is_whole: NDArray[np.bool_] = np.asarray(np.isfinite(block.values).all(axis=1))
    if is_whole.all():
        yield block
        return
    edges = [0, *(np.flatnonzero(is_whole[1:] != is_whole[:-1]) + 1).tolist(), len(is_whole)]
    for at, end in pairwise(edges):
        if is_whole[at]:
            yield msgspec.structs.replace(
                block,
                index=block.index + at,
                values=block.values[at:end],
                stamp=block.stamp.later(at / block.rate_hz if block.rate_hz else 0.0),
                gap=block.gap and not at,
            )


def is_gap(last: Samples, block: Samples, max_late_s: float) -> bool:
    """Say whether samples are missing between two blocks, or do not belong together."""
    due_s = last.stamp.monotonic_s + len(last.values) / last.rate_hz
    return (
        block.gap
        or block.index != last.index + len(last.values)
        or (block.rate_hz, block.channels) != (last.rate_hz, last.channels)
        or abs(block.stamp.monotonic_s - due_s) > max_late_s
    )
