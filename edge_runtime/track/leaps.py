"""What moves further between two frames than the association reaches.

A vehicle that passes close by leaves its own box behind from one frame to the next: neither overlap
nor nearness tells that two boxes show one thing. Three boxes can: of one size, in line, and in step
with the time between them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from edge_runtime.boxes import Box
from edge_runtime.track.candidate import TrackCandidate
from edge_runtime.track.kalman import centre_and_size
from edge_runtime.track.steps import Vector, are_of_one_size, diagonal, is_outside, shift

# A step between two sightings, in diagonals of the box: what goes less far is left to the
# association.
SHORTEST_DIAGONALS = 0.3
LONGEST_DIAGONALS = 4.0

# How far the third sighting may lie from where the first two lead to: a share of the step, which
# the perspective makes longer or shorter, or of the diagonal, for boxes waver.
STEP_TOLERANCE = 0.25
DIAGONAL_TOLERANCE = 0.2
# Where another way to join the same sightings is nearly as good, none is taken.
CLEARLY_BETTER = 0.3

# More than that in one frame are a crowd that comes into sight at once: too much could be joined.
MOST_BEGUN = 20
GUESSES_EACH = 3  # ways to join a new box with an earlier one that are kept in mind

# What is seen once or twice on its way through the frame goes so far from one frame to the next.
SHORTEST_PASSAGE = 0.2
FASTEST_PASSAGE_PER_S = 6.0


class Guess(NamedTuple):
    """Two sightings that may show one thing: the first one of a track, and what began later.

    `came_in`: they are of two frames on end, and the first is where a thing of this speed comes
    into the frame.
    """

    origin: TrackCandidate
    hits: int
    later: TrackCandidate
    came_in: bool

    def is_open(self, far: Sequence[TrackCandidate]) -> bool:
        """Say whether neither was seen again meanwhile, or in this frame by distance alone.

        Three boxes in line tell more than two that are not too far apart.
        """
        return all(
            (track.hits == hits and not track.visible)
            or (track.hits == 2 and hits == 1 and any(track is each for each in far))
            for track, hits in ((self.origin, self.hits), (self.later, 1))
        )

    def rivals(self, other: Guess) -> bool:
        """Say whether another guess explains one of its sightings otherwise."""
        return other != self and (self.origin is other.origin or self.later is other.later)

    def is_of(self, tracks: Sequence[TrackCandidate]) -> bool:
        """Say whether it joins a sighting of one of some tracks."""
        return any(self.origin is track or self.later is track for track in tracks)


class Leap(NamedTuple):
    """A track's next sighting, where its last two lead to."""

    error: float  # 1: just within the tolerance
    track: TrackCandidate
    guess: Guess | None  # that the track follows, instead of its own last sighting
    seen: TrackCandidate
    by: Vector
    is_sure: bool  # it came in from outside of the frame, and no frame was without it

    def excludes(self, other: Leap) -> bool:
        """Say whether two leaps use one sighting."""
        return any(one is another for one in self.uses() for another in other.uses())

    def uses(self) -> tuple[TrackCandidate, ...]:
        """Return the tracks whose sightings it joins."""
        later = (self.guess.later,) if self.guess else ()
        return self.track, *later, self.seen

    def take(self) -> TrackCandidate:
        """Join the sightings; return the track that has them all."""
        track, seen = self.track, self.seen
        if self.guess is not None:
            later = self.guess.later
            track = TrackCandidate(track.first, track.since_s, track.kind)
            track.leap(later.first, later.since_s, shift(track.box, later.box))
            track.hits += 1
        track.leap(seen.first, seen.since_s, self.by)
        # Boxes at random lie in line now and then, but rarely when they come and where they end:
        # where they did not come in, a fourth one must follow.
        track.hits += self.is_sure
        return track

    def left_over(self) -> tuple[TrackCandidate, ...]:
        """Return what later sightings begin that prove to be of other things."""
        if self.guess is None:
            return ()
        return tuple(
            begun_anew(track) for track in (self.track, self.guess.later) if track.hits > 1
        )


class Leaps:
    """Finds what the association left over of one stream. Belongs to one tracker."""

    def __init__(self) -> None:
        self._guesses: list[Guess] = []

    def find(
        self,
        waiting: Iterable[TrackCandidate],
        far: Sequence[TrackCandidate],
        begun: Sequence[TrackCandidate],
    ) -> list[Leap]:
        """Return the leaps of tracks that wait for a sighting to boxes that nothing else showed.

        `far`: tentative tracks that distance alone matched in this frame.

        No two use one sighting. Where it is not clear who went where, nobody goes.
        """
        self._guesses = [guess for guess in self._guesses if guess.is_open(far)]
        if not 0 < len(begun) <= MOST_BEGUN:
            return []
        ways: list[tuple[TrackCandidate, Guess | None]] = [
            (track, None) for track in waiting if track.earlier
        ]
        ways += [(guess.origin, guess) for guess in self._guesses]
        leaps = [
            leap
            for track, guess in ways
            for seen in begun
            if (leap := leap_to(track, guess, seen)) is not None
        ]
        clear = [leap for leap in leaps if is_clear(leap, leaps)]
        used = [track for leap in clear for track in leap.uses()]
        self._guesses = [guess for guess in self._guesses if not guess.is_of(used)]
        return clear

    def guess(self, origins: Iterable[TrackCandidate], begun: Sequence[TrackCandidate]) -> None:
        """Keep in mind from where the boxes of this frame may have come that nothing explains."""
        if len(begun) > MOST_BEGUN:
            return
        origins = tuple(origins)
        for later in begun:
            ways = sorted(
                (length, number)
                for number, origin in enumerate(origins)
                if (length := step_length(origin.kind, origin.first.xyxy, later)) is not None
            )
            self._guesses += [guess_of(origins[number], later) for _, number in ways[:GUESSES_EACH]]

    def passed(self, gone: Sequence[TrackCandidate]) -> list[float]:
        """Return the seconds from frame to frame for each thing that was seen too seldom.

        `gone` are the tracks that are given up unconfirmed: it counts what they show to have come
        into the frame, gone through and left it.
        """
        ended = [guess for guess in self._guesses if any(guess.later is t for t in gone)]
        lone = [guess for guess in ended if not any(guess.rivals(o) for o in self._guesses)]
        self._guesses = [guess for guess in self._guesses if guess not in ended]
        passages = [
            (one.origin.first.xyxy, one.later.first.xyxy, 1, one.later.since_s - one.origin.since_s)
            for one in lone
            if one.came_in and one.hits == 1
        ]
        passages += [
            (t.first.xyxy, t.box, t.hits - 1, t.seen_s - t.since_s) for t in gone if t.hits > 1
        ]
        return [
            took_s / steps
            for first, last, steps, took_s in passages
            if passes(first, last, steps, took_s)
        ]


def begun_anew(track: TrackCandidate) -> TrackCandidate:
    """Return what the latest sighting of a track begins on its own."""
    other = TrackCandidate(track.latest, track.seen_s, track.kind)
    other.misses = track.misses
    return other


def guess_of(origin: TrackCandidate, later: TrackCandidate) -> Guess:
    """Return the guess that a box shows what a track's first one showed."""
    on_end = origin.misses <= 1
    return Guess(origin, origin.hits, later, on_end and comes_in(origin.first.xyxy, later.box))


def comes_in(first: Box, second: Box) -> bool:
    """Say whether a thing must have been outside of the frame one step before the first box."""
    by_x, by_y = shift(first, second)
    x, y, _, _ = centre_and_size(first)
    return is_outside(x - by_x, y - by_y)


def leap_to(track: TrackCandidate, guess: Guess | None, seen: TrackCandidate) -> Leap | None:
    """Return the leap of a track to a box, or nothing where that does not lie in line."""
    if guess is not None:
        before, before_s = track.first.xyxy, track.since_s
        last, last_s = guess.later.first.xyxy, guess.later.since_s
        is_sure = guess.came_in and guess.later.misses <= 1
    else:
        assert track.earlier is not None
        (before, before_s), last, last_s = track.earlier, track.box, track.seen_s
        is_sure = track.misses == 1 and comes_in(track.first.xyxy, track.box)
    if step_length(track.kind, last, seen) is None or last_s <= before_s:
        return None
    by, led = shift(last, seen.box), shift(before, last)
    share = (seen.seen_s - last_s) / (last_s - before_s)
    led_x, led_y = led[0] * share, led[1] * share
    tolerance = max(
        STEP_TOLERANCE * max(math.hypot(*by), math.hypot(led_x, led_y)),
        DIAGONAL_TOLERANCE * diagonal(last, seen.box),
    )
    error = math.hypot(by[0] - led_x, by[1] - led_y) / tolerance
    return Leap(error, track, guess, seen, by, is_sure) if error <= 1.0 else None


def is_clear(leap: Leap, leaps: Sequence[Leap]) -> bool:
    """Say whether no other leap with one of its sightings is as good, or nearly."""
    return not any(
        other is not leap and other.error < leap.error + CLEARLY_BETTER and leap.excludes(other)
        for other in leaps
    )


def step_length(kind: int, box: Box, seen: TrackCandidate) -> float | None:
    """Return how far away a track was begun that may show what a box showed before, in diagonals.

    Nothing where it cannot, or where that is not for this module to say.
    """
    if seen.kind != kind or not are_of_one_size(box, seen.box):
        return None
    length = math.hypot(*shift(box, seen.box)) / diagonal(box, seen.box)
    return length if SHORTEST_DIAGONALS <= length <= LONGEST_DIAGONALS else None


def passes(first: Box, last: Box, steps: int, took_s: float) -> bool:
    """Say whether a thing came from outside of the frame and left it again, at an even speed."""
    by_x, by_y = (way / steps for way in shift(first, last))
    length = math.hypot(by_x, by_y)
    if length < SHORTEST_PASSAGE or length * steps > FASTEST_PASSAGE_PER_S * took_s:
        return False
    x, y, _, _ = centre_and_size(first)
    to_x, to_y, _, _ = centre_and_size(last)
    return is_outside(x - by_x, y - by_y) and is_outside(to_x + by_x, to_y + by_y)
