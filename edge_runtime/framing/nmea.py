"""NMEA 0183 of a GNSS receiver: sentences joined by the moment that they tell of."""

from __future__ import annotations

import math
from collections import Counter

from edge_runtime.errors import EMPTY, Text
from edge_runtime.framing.causes import Cause
from edge_runtime.framing.checks import nmea_checksum
from edge_runtime.framing.nmea_sentences import KINDS, OF_POSITION, Known, givers, time_of
from edge_runtime.framing.rows import BaseFraming, Row, RowBuffer, RowRun, Stage, as_array
from edge_runtime.framing.splitter import Splitter
from edge_runtime.options import NmeaOptions

MAX_SENTENCE_BYTES = 128  # the standard allows 82; some receivers exceed it
PATIENT_MOMENTS = 8  # so often a value may be missing before rows go out without it
REPEATS = 2  # of a sentence as it was, before it is taken for news
STILL_MOMENTS = 3  # of one time, before it is said to stand still
MOST_NAMES = 32  # sentences that are told apart
MOST_SHOWN = 6

NOT_GIVEN = Text("empty")
NOT_SENT = Text("in no sentence that comes")
MODES = {
    "E": Text("the receiver has no satellites: it estimates its position (dead reckoning)"),
    "M": Text("the receiver's position was typed in, not measured (manual mode)"),
    "S": Text("the receiver's position is simulated"),
}


class Moment:
    """What the receiver says of one moment, by sentence, and whether a row was made of it."""

    def __init__(self, time: bytes | None) -> None:
        self.time = time
        self.sentences: dict[bytes, list[bytes]] = {}
        self.known: Known = {}
        self.is_out = False

    def add(self, fields: list[bytes], known: Known) -> None:
        """Take a sentence; an empty field takes nothing from what another one gave."""
        self.sentences[fields[0]] = fields
        for name, value in known.items():
            if not math.isnan(value) or name not in self.known:
                self.known[name] = value


class NmeaFraming(BaseFraming):
    """One row for each moment of which all wanted values came; none without a fix.

    What a receiver with a fix leaves empty, or never sends, is a value that is missing. Without a
    time, or with one that stands still, a moment ends where a sentence of the same name comes
    again.
    """

    def __init__(self, options: NmeaOptions) -> None:
        self.rows = RowBuffer(options.channel_options)
        self._wanted = options.values
        self._needs_checksum = options.checksum == "required"
        self._stage: Stage[Row] = Stage(self.rows, as_array)
        self._splitter = Splitter(b"\n", MAX_SENTENCE_BYTES, self._stage.lose)
        self._names: Counter[str] = Counter()  # of intact sentences, since the latest row
        self._unchecked = self._without_fix = 0  # sentences since then
        self._kinds: set[str] = set()  # that have come with a fix
        self._missed = dict.fromkeys(self._wanted, 0)  # moments since a value was given
        self._mode = ""
        self.reset()

    @property
    def notice(self) -> Text:
        if self._mode:
            return MODES[self._mode]
        if self._still >= STILL_MOMENTS:
            return Text(
                "the time in the receiver's sentences stands still; rows are stamped as they come"
            )
        return EMPTY

    def reset(self) -> None:
        self._splitter.reset()
        self._moment: Moment | None = None
        self._repeats = 0  # of a sentence as it was, in this moment
        self._still = 0  # moments of the same time

    def feed(self, data: bytes) -> list[RowRun]:
        for piece in self._splitter.pieces(data):
            sentence = piece.strip()
            begun = max(sentence.rfind(b"$"), sentence.rfind(b"!"))
            if begun > 0:
                self._stage.lose(None, begun)
            if begun >= 0:
                self._take(sentence[begun + 1 :])
        return self._stage.take()

    def cause(self) -> Cause | None:
        names = ", ".join(name for name, _ in self._names.most_common(MOST_SHOWN))
        if (found := super().cause()) is not None:
            return found
        if self._without_fix:
            return Cause(
                Text("the receiver sends ({names}), but has no position", names=names),
                Text("give the receiver's antenna a view of the sky, and wait some minutes"),
            )
        if self._unchecked and not self._names:
            return Cause(
                Text("sentences without a checksum come"),
                Text('turn checksums on in the receiver, or set checksum = "optional"'),
            )
        if not self._names:
            return None
        lacking = [name for name in self._wanted if not self._is_sent(name)]
        if not lacking:
            return None
        wanted = " or ".join(givers("latitude" if OF_POSITION[0] in lacking else lacking[0]))
        return Cause(
            Text(
                "sentences come ({names}), but none that gives {values}",
                names=names,
                values=", ".join(lacking),
            ),
            Text("turn {wanted} on in the receiver, or take it out of values", wanted=wanted),
        )

    def _is_sent(self, value: str) -> bool:
        return any(name[2:] in givers(value) for name in self._names)

    def _take(self, sentence: bytes) -> None:
        body, star, checksum = sentence.partition(b"*")
        if not star and not self._needs_checksum:
            self._try(body)
        elif not star or len(checksum) != 2:
            self._unchecked += not star and body[2:5].decode("latin-1") in KINDS
            self._stage.lose("parse", len(sentence))
        elif nmea_checksum(body) != checksum.upper():
            self._stage.lose("checksum", len(sentence))
        else:
            self._try(body)

    def _try(self, body: bytes) -> None:
        try:
            self._read(body.split(b","))
        except (ValueError, IndexError):
            self._stage.lose("parse", len(body))

    def _read(self, fields: list[bytes]) -> None:
        name = fields[0].decode("ascii")
        if name in self._names or len(self._names) < MOST_NAMES:
            self._names[name] += 1
        # The first two letters name the constellation (GP, GL, GN …) and change nothing.
        kind = KINDS.get(name[2:])
        if kind is None:
            return
        fix, time = kind.read(fields), time_of(fields, kind)
        if fix is None:
            self._without_fix += 1
            self.rows.tally.empty += 1
            return
        self._kinds.add(name[2:])
        if kind.time:
            self._mode = fix.mode
        if self._moment is None or self._is_another(self._moment, fields, time):
            self._begin(time)
        assert self._moment is not None
        if self._moment.time is None:
            self._moment.time = time
        self._moment.add(fields, fix.known)
        self._make_row(self._moment, is_over=False)

    def _is_another(self, moment: Moment, fields: list[bytes], time: bytes | None) -> bool:
        """Say whether a sentence is about another moment than those before it."""
        if time is not None and moment.time is not None and time != moment.time:
            return True
        before = moment.sentences.get(fields[0])
        if before is None:
            return False
        if time is None or before != fields:
            return True
        self._repeats += 1
        return self._repeats >= REPEATS

    def _begin(self, time: bytes | None) -> None:
        """Begin the next moment, and make a row of the one before where none was made yet."""
        if (before := self._moment) is not None:
            for name in self._wanted:
                self._missed[name] = 0 if name in before.known else self._missed[name] + 1
            self._make_row(before, is_over=True)
            self._still = self._still + 1 if time is not None and time == before.time else 0
        # A sentence that came again and again as it was goes on to be taken for news.
        self._repeats = REPEATS - 1 if self._still >= STILL_MOMENTS else 0
        self._moment = Moment(time)

    def _make_row(self, moment: Moment, *, is_over: bool) -> None:
        """Make a row of a moment that is whole, or of which nothing more can come."""
        lacking = [name for name in self._wanted if name not in moment.known]
        is_lacking = any(not is_over or self._missed[name] <= PATIENT_MOMENTS for name in lacking)
        if moment.is_out or is_lacking or len(lacking) == len(self._wanted):
            return
        row = [moment.known.get(name, math.nan) for name in self._wanted]
        empty = [i for i, value in enumerate(row) if math.isnan(value)]
        if not is_over and any(self._may_follow(self._wanted[i], moment) for i in empty):
            return
        why = {i: NOT_GIVEN if self._wanted[i] in moment.known else NOT_SENT for i in empty}
        moment.is_out = True
        self._stage.add(row, why)
        self._names.clear()
        self._unchecked = self._without_fix = 0

    def _may_follow(self, value: str, moment: Moment) -> bool:
        """Say whether another sentence of the moment may give what one has left empty."""
        here = {name[2:].decode("ascii") for name in moment.sentences}
        return any(kind in self._kinds and kind not in here for kind in givers(value))
