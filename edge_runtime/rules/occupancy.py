"""Who is inside, with hysteresis: what presence, zones, dwell and counts have in common."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from edge_runtime.records import Event, TrackState
from edge_runtime.rules.area import Inside
from edge_runtime.rules.base import TIME_TOLERANCE_S, Classes, is_wanted, object_of


class Change(msgspec.Struct, frozen=True):
    """A track came in or left; `since_s` is when the stay began that begins or ends here.

    The track's class is the one that it came in with: who leaves as something else is the same.
    """

    track: TrackState
    entered: bool
    since_s: float

    def event(self, rule: int, at_s: float) -> Event:
        """Return the change as an `enter` or `exit`."""
        name = "enter" if self.entered else "exit"
        return Event(name, object_of(self.track), rule, age_s=max(0.0, at_s - self.since_s))


class Stay(msgspec.Struct):
    """One track: on which side it counts, and since when it has been seen on the other.

    `class_id`: what it came in as.
    """

    track: TrackState
    class_id: int
    inside: bool = False
    since_s: float = 0.0
    turned_at_s: float | None = None


class Occupancy:
    """Follows which tracks are inside; enter and exit of a track strictly alternate.

    A track changes sides once it was seen on the other for `debounce_s` without a break. Only
    sightings count: out of sight it stays on its side until it is given up, which ends its stay.
    Tracks of all classes are followed, those that came in as one of `classes` (None: any) told.
    """

    def __init__(self, is_inside: Inside, debounce_s: float, classes: Classes = None) -> None:
        self._is_inside = is_inside
        self._debounce_s = debounce_s
        self._classes = classes
        self._stays: dict[int, Stay] = {}

    def update(self, live: tuple[TrackState, ...], at_s: float) -> list[Change]:
        """Take in the tracks of one frame; return who left, then who entered."""
        known = {track.id for track in live}
        changes = [self._end(id_) for id_ in list(self._stays) if id_ not in known]
        changes += [self._see(track, at_s) for track in live if track.visible]
        return sorted(self._wanted(changes), key=lambda each: each.entered)

    def begin(self, live: tuple[TrackState, ...], at_s: float) -> list[Change]:
        """Take in the tracks that were there before: who is inside has not just come."""
        found: list[Change | None] = []
        for track in live:
            is_inside = self._is_inside(track, False)
            stay = Stay(track, track.class_id, is_inside, at_s)
            self._stays[track.id] = stay
            found += [self._change(stay)] if is_inside else []
        return list(self._wanted(found))

    def finish(self) -> list[Change]:
        """End every stay."""
        return list(self._wanted([self._end(id_) for id_ in list(self._stays)]))

    def since_s(self, track: TrackState) -> float | None:
        """Return when a track's stay began; None where it is not inside."""
        stay = self._stays.get(track.id)
        return stay.since_s if stay and stay.inside else None

    def _see(self, track: TrackState, at_s: float) -> Change | None:
        stay = self._stays.setdefault(track.id, Stay(track, track.class_id))
        stay.track = track
        if self._is_inside(track, stay.inside) == stay.inside:
            stay.turned_at_s = None
            return None
        if stay.turned_at_s is None:
            stay.turned_at_s = at_s
        if at_s - stay.turned_at_s < self._debounce_s - TIME_TOLERANCE_S:
            return None
        stay.inside = not stay.inside
        if stay.inside:
            stay.since_s = stay.turned_at_s
            stay.class_id = track.class_id
        stay.turned_at_s = None
        return self._change(stay)

    def _wanted(self, changes: list[Change | None]) -> Iterator[Change]:
        for change in changes:
            if change is not None and is_wanted(change.track.class_id, self._classes):
                yield change

    def _end(self, track_id: int) -> Change | None:
        stay = self._stays.pop(track_id)
        if not stay.inside:
            return None
        stay.inside = False
        return self._change(stay)

    def _change(self, stay: Stay) -> Change:
        track = msgspec.structs.replace(stay.track, class_id=stay.class_id)
        return Change(track, stay.inside, stay.since_s)
