"""Ids for objects: detections of one frame after another become tracks.

In the manner of ByteTrack (Zhang et al. 2022): sure boxes are matched first and doubtful ones
then keep alive what was left over, but never begin a track. Prediction goes by seconds, not
frames, because the rate of a stream varies. Pure: no clock, no thread. README.md: each step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import msgspec

from edge_runtime.boxes import FULL_FRAME, Box, middle
from edge_runtime.label_groups import NO_GROUPS, LabelGroups
from edge_runtime.options import TrackOptions
from edge_runtime.records import Detection, TrackState
from edge_runtime.track.camera import GOOD_OVERLAP, LEAST_TRACKS, camera_shift
from edge_runtime.track.candidate import TrackCandidate
from edge_runtime.track.leaps import Leaps
from edge_runtime.track.matching import Matching, is_same_object

# A doubtful box must lie where the track is expected: so much of IoU times score.
DOUBTFUL_OVERLAP = 0.25

# A tentative track dies when this many frames in a row did not show it.
TENTATIVE_MISSES = 2


# Nobody is there; all are in sight; one is out of sight; one is tentative.
Attention: TypeAlias = Literal["nobody", "steady", "lost", "new"]


class TrackerOutput(msgspec.Struct, frozen=True):
    """The same detections with their track ids, who came, and who is there.

    What has an id bears its track's class. `dropped` counts the tracks that were given up
    unconfirmed; `missed` are those that went through the frame too fast to be confirmed, each as
    the seconds from one frame to the next.
    """

    objects: tuple[Detection, ...]
    entered: tuple[TrackState, ...] = ()
    live: tuple[TrackState, ...] = ()
    dropped: int = 0
    missed: tuple[float, ...] = ()


class Tracker:
    """Gives the objects of one stream their ids. Not thread-safe: one caller at a time.

    `high_score` is what begins a track; boxes from `options.low_score` up to it only keep a
    confirmed one alive. `new_id` issues ids that are unique within a boot, on confirmation only.
    """

    def __init__(
        self, options: TrackOptions, *, high_score: float, new_id: Callable[[], int]
    ) -> None:
        self._options = options
        self._high_score = high_score
        self._new_id = new_id
        self._tracks: list[TrackCandidate] = []
        self._leaps = Leaps()

    def update(
        self,
        objects: tuple[Detection, ...],
        at_s: float,
        region: Box = FULL_FRAME,
        groups: LabelGroups = NO_GROUPS,
    ) -> TrackerOutput:
        """Take in what was seen at `at_s` (monotonic seconds of the frame) in a region of it.

        Objects of classes that stand for each other in `groups` may show one track.
        """
        self._give_up(at_s)
        elsewhere = self._put_aside(region, at_s)
        kinds = [groups.of(seen.class_id) for seen in objects]
        matched, far = self._associate(objects, kinds, at_s)
        for track in self._tracks:
            track.misses += 1
        for index, track in matched.items():
            track.see(objects[index], at_s)
        begun = self._weigh_evidence(objects, kinds, matched, at_s)
        self._leap(begun, far, matched)
        gone = self._forget()
        entered = self._confirm()
        self._tracks += elsewhere
        return TrackerOutput(
            objects=tuple(with_id(seen, matched.get(i)) for i, seen in enumerate(objects)),
            entered=entered,
            live=self.live,
            dropped=len(gone),
            missed=tuple(self._leaps.passed(gone)) if gone else (),
        )

    def coast(self, at_s: float) -> TrackerOutput:
        """Take in a frame that was not inferred though something may move in it."""
        self._give_up(at_s)
        return TrackerOutput(objects=(), live=self.live)

    def hold(self, at_s: float) -> TrackerOutput:
        """Take in a frame that was not inferred because nothing moved in it.

        What the last inference showed still stands there, at rest; what it missed stays missed.
        """
        for track in self._tracks:
            if track.visible:
                track.hold(at_s)
        self._give_up(at_s)
        return TrackerOutput(objects=(), live=self.live)

    def attention(self) -> Attention:
        """Return what the tracks wait for: a new one above all."""
        if any(not track.id for track in self._tracks):
            return "new"
        if any(not track.visible for track in self._tracks):
            return "lost"
        return "steady" if self._tracks else "nobody"

    def change(self, options: TrackOptions, *, high_score: float) -> None:
        """Go on by other options with the tracks as they are."""
        self._options = options
        self._high_score = high_score

    @property
    def live(self) -> tuple[TrackState, ...]:
        """The confirmed tracks as of the latest frame, also those out of sight."""
        return tuple(track.state() for track in self._tracks if track.id)

    def finish(self, at_s: float) -> tuple[TrackState, ...]:  # noqa: ARG002 - ends whatever the time
        """End every track, as at the end of a file; return those that were confirmed."""
        live, self._tracks = self.live, []
        return live

    def _put_aside(self, region: Box, at_s: float) -> list[TrackCandidate]:
        """Take out the tracks expected outside of what was looked at: nothing moved there."""
        if region == FULL_FRAME:
            return []
        aside = [t for t in self._tracks if not holds(region, t.motion.box_at(at_s))]
        self._tracks = [track for track in self._tracks if track not in aside]
        for track in aside:
            if track.visible:
                track.hold(at_s)
        return aside

    def _is_lost(self, track: TrackCandidate, at_s: float) -> bool:
        return at_s - track.seen_s > self._options.max_lost_s

    def _give_up(self, at_s: float) -> None:
        self._tracks = [track for track in self._tracks if not self._is_lost(track, at_s)]

    def _associate(
        self, objects: tuple[Detection, ...], kinds: list[int], at_s: float
    ) -> tuple[dict[int, TrackCandidate], list[TrackCandidate]]:
        """Match detections, by index, to tracks: sure ones, doubtful ones, then by distance.

        Return also the tracks that distance alone matched.
        """
        high = {i: seen for i, seen in enumerate(objects) if seen.score >= self._high_score}
        low = {
            i: seen
            for i, seen in enumerate(objects)
            if self._options.low_score <= seen.score < self._high_score
        }
        matching = self._match_confirmed(high, kinds, at_s)
        matching.by_overlap(low, DOUBTFUL_OVERLAP, is_confirmed)
        matching.by_overlap(high, self._options.min_iou, is_tentative)
        near = len(matching.matched)
        matching.by_distance(high, at_s)
        return matching.matched, list(matching.matched.values())[near:]

    def _match_confirmed(
        self, seen: dict[int, Detection], kinds: list[int], at_s: float
    ) -> Matching:
        """Match the confirmed tracks by overlap; once more, if the camera proves to have moved."""
        there = [track for track in self._tracks if track.id and track.visible]
        for _ in range(2):
            matching = Matching(*self._expected(at_s), kinds)
            overlaps = matching.by_overlap(seen, self._options.min_iou, is_confirmed)
            if len(there) < LEAST_TRACKS or mean(overlaps) > GOOD_OVERLAP:
                break
            boxes = [each.xyxy for each in seen.values()]
            by = camera_shift([track.motion.box_at(at_s) for track in there], boxes)
            if by is None:
                break
            for track in self._tracks:
                track.motion.shift(by)
        return matching

    def _expected(self, at_s: float) -> tuple[list[TrackCandidate], list[Box]]:
        """Return the tracks that may be seen, and where: what left the frame may not."""
        pairs = [(track, track.motion.box_at(at_s)) for track in self._tracks]
        pairs = [
            (track, box)
            for track, box in pairs
            if is_tentative(track) or track.visible or holds(FULL_FRAME, box)
        ]
        return [track for track, _ in pairs], [box for _, box in pairs]

    def _weigh_evidence(
        self,
        objects: tuple[Detection, ...],
        kinds: list[int],
        matched: dict[int, TrackCandidate],
        at_s: float,
    ) -> dict[int, TrackCandidate]:
        """Count sightings of tentative tracks and begin new ones (objects come best first).

        A box that covers an older track's box of this frame is no evidence of a second object.
        Return those that began.
        """
        shown = [track for track in matched.values() if track.id]
        tentative = [track for track in matched.values() if not track.id]
        for track in sorted(tentative, key=lambda track: -track.hits):
            if not any(is_same_object(other, track.latest, track.kind) for other in shown):
                track.hits += 1
                shown.append(track)
        begun = {}
        for index, seen in enumerate(objects):
            if index in matched or seen.score < self._high_score:
                continue
            if not any(is_same_object(other, seen, kinds[index]) for other in shown):
                begun[index] = TrackCandidate(seen, at_s, kinds[index])
                shown.append(begun[index])
        matched.update(begun)
        self._tracks += begun.values()
        return begun

    def _leap(
        self,
        begun: dict[int, TrackCandidate],
        far: list[TrackCandidate],
        matched: dict[int, TrackCandidate],
    ) -> None:
        """Let tracks that were not seen reach what began further on in their way."""
        waiting = [t for t in self._tracks if 0 < t.misses <= TENTATIVE_MISSES]
        far = [track for track in far if not track.id]
        for leap in self._leaps.find(waiting, far, tuple(begun.values())):
            index = next(i for i, track in begun.items() if track is leap.seen)
            del begun[index]
            matched[index] = joined = leap.take()
            used = leap.uses()
            self._tracks = [t for t in self._tracks if not any(t is each for each in used)]
            self._tracks += [joined, *leap.left_over()]
        lone = [t for t in waiting if t.hits == 1 and not t.id]
        self._leaps.guess(lone + [t for t in far if t.hits == 2], tuple(begun.values()))

    def _forget(self) -> list[TrackCandidate]:
        """Give up the tentative tracks that were not seen again, and return them."""
        gone = [t for t in self._tracks if not t.id and t.misses >= TENTATIVE_MISSES]
        if gone:
            self._tracks = [t for t in self._tracks if t.id or t.misses < TENTATIVE_MISSES]
        return gone

    def _confirm(self) -> tuple[TrackState, ...]:
        ready = [t for t in self._tracks if not t.id and t.hits >= self._options.min_hits]
        for track in ready:
            track.confirm(self._new_id())
        return tuple(track.state() for track in ready)


def mean(overlaps: list[float]) -> float:
    return sum(overlaps) / len(overlaps) if overlaps else 0.0


def is_confirmed(track: TrackCandidate) -> bool:
    return track.id != 0


def is_tentative(track: TrackCandidate) -> bool:
    return track.id == 0


def with_id(seen: Detection, track: TrackCandidate | None) -> Detection:
    """Return a detection with its track's id and class; box and score stay as they are."""
    if track is None or not track.id:
        return Detection(seen.class_id, seen.score, seen.xyxy)
    return Detection(track.class_id, seen.score, seen.xyxy, track.id)


def holds(region: Box, box: Box) -> bool:
    """Say whether the middle of a box lies in a region."""
    x, y = middle(box)
    return region[0] <= x <= region[2] and region[1] <= y <= region[3]
