"""How soon each fault of a camera is found, whether there is a false word, and what looking costs.

    python tests/benchmarks/camera_health.py faults [FOOTAGE]        each fault, drawn onto it
    python tests/benchmarks/camera_health.py clean [HOURS [FOOTAGE]] hours (24) without a fault
    python tests/benchmarks/camera_health.py cost                    share of a core, 10 frames/s

`clean` gives 864,000 pictures to the monitors: five days of stream time, two pictures a second
each, with nights, dawns, clouds, shadows that move, parked lorries, rain, headlights, and a
sensor's noise. FOOTAGE is a part of a name, such as `clip`; without it all are shown. The clips
are read from ../shared/data; without them the drawn roads alone are used.
"""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from edge_runtime.camera_health.monitor import TAKE_EVERY_S, CameraMonitor
from edge_runtime.clock import Stamp
from edge_runtime.raw import Frame, Image
from edge_runtime.simulate.scene import Conditions, Scene
from support.camera_faults import FAULTS, Grain, at_night
from support.clean_days import CleanDay
from support.paths import DATA

SIZE = (320, 180)
LEARNT_S = 200.0
MOST_S = 120.0
CLIPS = {"person clip": "one-by-one-person-detection.mp4", "car clip": "car-detection.mp4"}
ROADS = {
    "road": (1, Conditions(noise=3.0)),
    "rainy road": (1, Conditions(weather="rain", noise=3.0)),
    "road at dusk": (7, Conditions(dusk=0.8, noise=4.0)),
}
SEEDS = {name: number for number, name in enumerate((*CLIPS, *ROADS))}
START_S = 36_000.0  # in the morning

Footage = list[Image]
Change = Callable[[Image, int], Image]


def clip(file: Path) -> Footage:
    """Return two pictures a second of a clip."""
    capture = cv2.VideoCapture(str(file))
    step = round(capture.get(cv2.CAP_PROP_FPS) * TAKE_EVERY_S)
    frames: Footage = []
    while capture.grab():
        if int(capture.get(cv2.CAP_PROP_POS_FRAMES)) % step == 0:
            frames.append(small(capture.retrieve()[1]))
    return frames


def road(seed: int, conditions: Conditions) -> Footage:
    """Return two pictures a second of two cycles of the drawn road's traffic."""
    scene = Scene(seed, 640, 360, 10.0, conditions)
    return [small(scene.render(index)[0]) for index in range(0, 800, 5)]


def small(image: Image) -> Image:
    return np.asarray(cv2.resize(image, SIZE, interpolation=cv2.INTER_AREA), np.uint8)


def all_footage(named: str = "") -> dict[str, Footage]:
    there = {name: DATA / "video" / file for name, file in CLIPS.items()}
    clips = {name: clip(file) for name, file in there.items() if file.exists() and named in name}
    return {**clips, **{name: road(*how) for name, how in ROADS.items() if named in name}}


def play(
    monitor: CameraMonitor, frames: Footage, change: Change, begin_s: float, span_s: float
) -> tuple[float, str] | None:
    """Show pictures; return after how long something else was declared than at the beginning."""
    before, found = monitor.declared, None
    for number in range(int(span_s / TAKE_EVERY_S)):
        at_s = begin_s + number * TAKE_EVERY_S
        image = change(frames[int(at_s / TAKE_EVERY_S) % len(frames)], number)
        declared = monitor.take(Frame(number, image, Stamp(START_S + at_s, at_s)))
        if declared != before and found is None:
            found = (at_s - begin_s, declared)
    return found


def show_faults(named: str = "") -> int:
    """Draw each fault onto each footage; return how many were not found in time."""
    missed = 0
    for name, frames in all_footage(named).items():
        grain = Grain(SIZE)
        learnt: dict[bool, CameraMonitor] = {}
        for night in (False, True):
            learnt[night] = CameraMonitor()
            usual = at_night(grain) if night else grain.over
            if (word := play(learnt[night], frames, usual, 0.0, LEARNT_S)) is not None:
                print(f"{name}: false word {word}")
                missed += 1
        for fault in FAULTS:
            monitor = copy.deepcopy(learnt[fault.night])
            usual = at_night(grain) if fault.night else grain.over
            found = play(monitor, frames, fault.drawn(grain), LEARNT_S, MOST_S)
            gone = play(monitor, frames, usual, LEARNT_S + MOST_S, MOST_S) if found else None
            is_right = found is not None and found[1] in fault.reasons and gone is not None
            missed += not is_right
            seconds = f"{found[0]:5.1f} s  {found[1]:12}" if found else "not found           "
            over = f"over after {gone[0]:5.1f} s" if gone else ""
            print(
                f"{name:14} {fault.name:32} {seconds} {over}{'' if is_right else '   <--'}",
                flush=True,
            )
    print(f"{missed} not found in time, or by another name")
    return missed


def show_clean(hours: float, named: str = "") -> int:
    """Show days without a fault; return how many false words there were."""
    words = looks = pictures = 0
    for name, frames in all_footage(named).items():
        monitor, day = CameraMonitor(), CleanDay(frames, SEEDS[name])
        told, began_s = "", time.process_time()
        count = int(hours * 3600.0 / TAKE_EVERY_S)
        for index in range(count):
            at_s = index * TAKE_EVERY_S
            image = day.picture(at_s)
            declared = monitor.take(Frame(index, image, Stamp(at_s + START_S, at_s)))
            if declared and declared != told:
                words += 1
                clock_h = (at_s + START_S) / 3600.0 % 24.0
                print(f"{name}: FALSE WORD {declared} at {clock_h:.2f} h ({day.about})", flush=True)
            told = declared
        looks += monitor.looks
        pictures += count
        cpu_s = time.process_time() - began_s
        print(f"{name:14} {count} pictures, {monitor.looks} verdicts, {cpu_s:.0f} s", flush=True)
    print(f"{words} false words in {pictures} pictures, {looks} verdicts")
    return words


def show_cost(seconds: int = 120) -> float:
    """Return the share of a core that a camera of 1280x720 and 10 frames/s takes."""
    cv2.setNumThreads(1)
    scene = Scene(1, 1280, 720, 10.0, Conditions(noise=2.0))
    images = [scene.render(index)[0] for index in range(12)]  # 33 MB: more than the caches hold
    monitor = CameraMonitor()
    costs = []
    for index in range(seconds * 10):
        frame = Frame(index, images[index % len(images)], Stamp(START_S, index / 10))
        began_s = time.process_time()
        monitor.take(frame)
        costs.append(time.process_time() - began_s)
    share = sum(costs[len(costs) // 2 :]) / (seconds / 2)
    longest_ms = max(costs) * 1e3
    print(f"1280x720 at 10 frames/s: {share:.2%} of a core, the longest look {longest_ms:.1f} ms")
    return share


def main() -> int:
    cv2.setNumThreads(1)
    match sys.argv[1:]:
        case ["faults", *named]:
            return show_faults(*named)
        case ["clean", *asked]:
            return show_clean(float((asked or ["24"])[0]), *asked[1:])
        case ["cost"]:
            return int(show_cost() > 0.01)
        case _:
            print(__doc__)
            return 2


if __name__ == "__main__":
    sys.exit(main())
