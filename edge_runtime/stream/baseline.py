"""What healthy looks like on this machine: learnt on site, kept in the state folder as JSON."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from errno import EACCES
from pathlib import Path
from typing import Annotated, Literal, TypeAlias
from zlib import crc32

import msgspec
import numpy as np
from msgspec import Meta

from edge_runtime.durable import replace_file, sync_folder
from edge_runtime.errors import EMPTY, EdgeError, RawText, Text, because
from edge_runtime.options import SensorOptions, StreamOptions, ThresholdOptions
from edge_runtime.raw import Doubles
from edge_runtime.records import ModelRef

FOLDER = "baselines"
HIGH = 0.99
LEAST_VALUES = round(1.0 / (1.0 - HIGH))
LEVELS = (0.001, 0.01, 0.1, 0.5, 0.9, HIGH, 0.999)
LEAST_OF_MEDIAN = 0.01
LEAST_OF_SHARE = 0.1
HALF_STEP = 1.0 / 512.0

Side: TypeAlias = Literal["above", "below"]


class BaselineError(EdgeError):
    """A baseline cannot be learnt, written or read."""


class Limit(msgspec.Struct, frozen=True):
    """The alarm goes on past `limit`, and may end once the value is back within `clear`."""

    limit: float
    clear: float


class Baseline(msgspec.Struct, frozen=True):
    """What was learnt of one stream, of so many windows (without a model: rows), on a UTC date.

    It holds for that `model` and that `sensor` alone. `past` counts the values of either half that
    lay past the limit learnt from the other half.
    """

    stream: str
    channel: str
    model: str
    sensor: str
    date: str
    clock: Literal["synced", "unsynced"]
    seconds: float
    windows: int
    gaps: int
    quantiles: dict[str, float]
    past: tuple[int, int]
    limits: dict[Side, Limit]
    version: Annotated[int, Meta(ge=1, le=1)] = 1

    @property
    def day(self) -> Text:
        """The UTC day on which it was made, as far as that was known."""
        day = self.date[:10]
        if self.clock == "synced":
            return RawText(day)
        return Text("{day} by a clock that was not set", day=day)


def limit_of(values: Doubles, side: Side, *, is_share: bool) -> Limit:
    """Return the limit that a machine keeps to which goes on as it did while it was listened to.

    limit = q + (q - m), clear = q + (q - m) / 2, q the value that 1 in 100 goes past and m the
    median. Quantiles, because one knock or one passing lorry while it learnt must not set the
    limit, as it would set a mean, a deviation or a maximum; and as far again, because a limit at
    the greatest value of n would be passed by a healthy machine once in n. How often a single
    healthy value passes it depends on the tail: 2 in a million for normal values, 2 in 10,000 for
    an exponential tail, 4 in 10,000 for log-normal values with sigma 0.5; `min_s` of the rule asks
    for several consecutive ones. Clearing needs no rare luck either: a healthy machine is within
    `clear` but for 2 values in 1000, however long `min_s` is.

    A classifier's scores (`is_share`) are taken as log-odds, ln(p / (1 - p)): near 0 and 1 they are
    pressed together. A limit from the spread of the scores themselves was passed by 19 of 4,686
    healthy windows of the simulated machine (`kind = "vibration"`), this one by none.

    q - m is at least a hundredth of the median, and of scores a tenth of their range: a machine
    that gave the same value throughout is not faulty at the next step of rounding.
    """
    sign = 1.0 if side == "above" else -1.0
    median, high = np.quantile(sign * (log_odds(values) if is_share else values), (0.5, HIGH))
    margin = float(max(high - median, 0.0 if is_share else LEAST_OF_MEDIAN * abs(median)))
    at, limit, clear = (sign * (float(high) + part * margin) for part in (0.0, 1.0, 0.5))
    if not is_share:
        return Limit(limit, clear)
    at, limit, clear = share(at), share(limit), share(clear)
    if abs(limit - at) < LEAST_OF_SHARE:
        return Limit(at + sign * LEAST_OF_SHARE, at + sign * LEAST_OF_SHARE / 2.0)
    return Limit(limit, clear)


def log_odds(shares: Doubles) -> Doubles:
    """Return ln(p / (1 - p)); 0 and 1 as half a step of int8, which is what they stand for."""
    inside = np.clip(shares, HALF_STEP, 1.0 - HALF_STEP)
    return np.asarray(np.log(inside / (1.0 - inside)))


def share(odds: float) -> float:
    """Return the score of log-odds."""
    return 1.0 / (1.0 + math.exp(-odds))


def quantiles_of(values: Doubles) -> dict[str, float]:
    """Return the quantiles that so many values can tell: at least one must lie beyond each."""
    told = [q for q in LEVELS if len(values) * min(q, 1.0 - q) >= 1.0 - 1e-9]
    found = np.quantile(values, told).tolist()
    named = {f"{q:g}": value for q, value in zip(told, found, strict=True)}
    return {"min": float(values.min()), **named, "max": float(values.max())}


def count_exceeding(values: Doubles, limits: dict[Side, Limit]) -> int:
    """Count the values past the limits."""
    above, below = limits.get("above"), limits.get("below")
    over = values > above.limit if above is not None else np.zeros(len(values), bool)
    under = values < below.limit if below is not None else np.zeros(len(values), bool)
    return int(np.count_nonzero(over | under))


def with_baseline(rule: ThresholdOptions, baseline: Baseline) -> ThresholdOptions:
    """Return a rule with the limits of a baseline; `min_s` and `cool_down_s` stay as they are."""
    limits = [baseline.limits[side] for side in sides((rule,))]
    return msgspec.structs.replace(
        rule,
        above=None if rule.above is None else baseline.limits["above"].limit,
        below=None if rule.below is None else baseline.limits["below"].limit,
        hysteresis=min(abs(one.limit - one.clear) for one in limits),
    )


def sides(rules: Sequence[ThresholdOptions]) -> tuple[Side, ...]:
    """Return on which sides rules have limits."""
    above: tuple[Side, ...] = ("above",) if any(r.above is not None for r in rules) else ()
    below: tuple[Side, ...] = ("below",) if any(r.below is not None for r in rules) else ()
    return above + below


def sensor_ref(source: SensorOptions) -> str:
    """Name how a sensor's values are made, with another scale they are others; "": cannot tell."""
    if not source.calibration:
        return ""
    return f"{crc32(repr(source.calibration).encode()):08x}"


def check_holds(baseline: Baseline, stream: StreamOptions, model: ModelRef) -> None:
    """Raise BaselineError where a baseline does not hold for a stream as it is now."""
    if stream.sensor is None:
        raise BaselineError("it was learnt from a sensor, this stream gives pictures")
    if baseline.model != model.full_name:
        raise BaselineError(
            "it was learnt with {learnt}, this is {model}",
            learnt=baseline.model,
            model=model.full_name,
        )
    sensor = sensor_ref(stream.sensor)
    if sensor and baseline.sensor not in ("", sensor):
        raise BaselineError("the sensor's channels were configured in another way when it learnt")
    rules = [rule for rule in stream.thresholds if rule.channel == baseline.channel]
    if not rules:
        raise BaselineError("no rule is about its channel '{channel}'", channel=baseline.channel)
    if missing := [side for side in sides(rules) if side not in baseline.limits]:
        raise BaselineError("it has no limit '{missing}', which a rule has now", missing=missing[0])


class Baselines:
    """The baselines of one state folder. Raises BaselineError; `prepare` comes before `save`."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self.folder = state_dir / FOLDER

    def names(self) -> list[str]:
        """Return the streams of which there is one."""
        return sorted(path.stem for path in self.folder.glob("*.json"))

    def load(self, stream: str) -> Baseline | None:
        """Return a stream's baseline, None where there is none."""
        path = self._path(stream)
        try:
            return msgspec.json.decode(path.read_bytes(), type=Baseline)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, RecursionError) as error:  # msgspec's are ValueErrors
            raise BaselineError(
                "{path}: cannot be read ({reason})", path=path, reason=error
            ) from None

    def prepare(self) -> None:
        """Make the folder; raise before anybody listens for minutes in vain."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync_folder(self._state_dir)
        except OSError as error:
            raise self._not_written(error) from None
        if not os.access(self.folder, os.W_OK):
            raise self._not_written(PermissionError(EACCES, os.strerror(EACCES)))

    def save(self, baseline: Baseline) -> Path:
        """Write a baseline, whole or not at all, for the daemon's user alone."""
        path = self._path(baseline.stream)
        data = msgspec.json.format(msgspec.json.encode(baseline)) + b"\n"
        try:
            replace_file(path, data)
        except OSError as error:
            raise self._not_written(error) from None
        return path

    def forget(self, stream: str) -> bool:
        """Delete a baseline; False where there is none."""
        path = self._path(stream)
        try:
            path.unlink()
            sync_folder(self.folder)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise BaselineError(
                "{path}: cannot be deleted ({reason})", path=path, reason=because(error)
            ) from None
        return True

    def _not_written(self, error: OSError) -> BaselineError:
        return BaselineError(
            "{folder}: cannot be written ({reason}); run it as the daemon's user, or with sudo",
            folder=self.folder,
            reason=because(error),
        )

    def _path(self, stream: str) -> Path:
        return self.folder / f"{stream}.json"


class EffectiveRules(msgspec.Struct, frozen=True):
    """The rules that a stream runs with, and in a few words what came of its baseline."""

    rules: tuple[ThresholdOptions, ...]
    summary: Text = EMPTY
    is_refused: bool = False


def effective_rules(
    stream: StreamOptions, model: ModelRef, baselines: Baselines | None
) -> EffectiveRules:
    """Return a stream's rules with what was learnt on site; configured ones where that is wrong."""
    configured = stream.thresholds
    try:
        baseline = baselines.load(stream.name) if baselines is not None else None
        if baseline is None:
            return EffectiveRules(configured)
        check_holds(baseline, stream, model)
        about = baseline.channel
        rules = tuple(with_baseline(r, baseline) if r.channel == about else r for r in configured)
    except (BaselineError, ValueError) as error:  # ValueError: of limits that were edited
        unused = Text(
            "not used: {reason}; the configured limits hold; run 'edge-runtime learn' again",
            reason=error,
        )
        return EffectiveRules(configured, unused, is_refused=True)
    return EffectiveRules(rules, Text("of {day}", day=baseline.day))
