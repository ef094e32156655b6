"""What `watch` says of holes, and how it has them filled: by `cmd/replay`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import msgspec
from msgspec import Meta

from edge_runtime.cli.holes import Holes, SequenceHole
from edge_runtime.topics import Topics

ASK_AGAIN_S = 60.0  # a device that is not connected does not hear a command
MOST_OPEN = 1000
SHOWN = 200
MOST_ASKED = 1_000_000  # records of one hole: no outbox keeps more
COMMAND = "replay"

Number = Annotated[int, Meta(ge=0)]

Say = Callable[[str], None]
Publish = Callable[[str, bytes], None]


class ReplayReply(msgspec.Struct):
    """What a device says to a replay; who writes it may be anybody."""

    ok: bool = False
    error: str = ""
    boot: int = 0
    from_seq: int = 0
    to_seq: int = 0
    sent: Number = 0
    pending: Number = 0
    gone: Number = 0
    unknown: Number = 0


class Case(msgspec.Struct):
    """A hole that was told, until it is closed or given up."""

    hole: SequenceHole
    next_seq: int
    ask_at_s: float = 0.0
    answered: bool = False


class Healer:
    """Tells of holes and, with `publish`, asks the devices for what is missing."""

    def __init__(self, holes: Holes, grace_s: float, say: Say, publish: Publish | None) -> None:
        self._holes = holes
        self._grace_s = grace_s
        self._say = say
        self._publish = publish
        self._cases: list[Case] = []

    def tick(self, now_s: float) -> None:
        """Tell of new holes, ask for them, close those that were filled."""
        for hole in self._holes.due(now_s):
            self._say(f"hole: {hole}: {hole.size} missing, and no gap explains it")
            if hole.size <= MOST_ASKED:
                self._cases.append(Case(hole, hole.from_seq))
        self._cases = [case for case in self._cases if not self._settled(case, now_s)][-MOST_OPEN:]
        for case in self._cases:
            if self._publish is not None and not case.answered and now_s >= case.ask_at_s:
                case.ask_at_s = now_s + ASK_AGAIN_S
                self._ask(case)

    def answer(self, site: str, device: str, payload: bytes, now_s: float) -> None:
        """Take a device's answer to a replay, whoever asked for it."""
        try:
            told = msgspec.json.decode(payload, type=ReplayReply)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return
        for case in self._cases:
            hole = case.hole
            if (site, device) != (hole.site, hole.device):
                continue
            if not told.ok:
                self._say(f"{site}/{device} refuses to replay: {told.error[:SHOWN]}")
                return
            if (told.boot, told.from_seq) == (hole.boot, case.next_seq):
                self._hear(case, told, now_s)

    def _ask(self, case: Case) -> None:
        assert self._publish is not None
        hole = case.hole
        topic = f"{Topics(hole.site, hole.device).base}/cmd/{COMMAND}"
        asked = {"boot": hole.boot, "from_seq": case.next_seq, "to_seq": hole.to_seq}
        self._publish(topic, msgspec.json.encode(asked))

    def _hear(self, case: Case, told: ReplayReply, now_s: float) -> None:
        if not case.next_seq <= told.to_seq <= case.hole.to_seq:
            return  # an answer to another question: it would be asked again at once, for ever
        counts = {
            "sent again": told.sent,
            "to come anyway": told.pending,
            "no longer kept": told.gone,
            "never made": told.unknown,
        }
        words = [f"{count} {what}" for what, count in counts.items() if count]
        self._say(f"replay: {case.hole}: {', '.join(words) or 'nothing'}")
        case.next_seq = told.to_seq + 1
        case.answered = case.next_seq > case.hole.to_seq
        case.ask_at_s = now_s

    def _settled(self, case: Case, now_s: float) -> bool:
        missing = self._holes.missing(case.hole)
        if not missing:
            self._say(f"closed: {case.hole}: nothing is missing any more")
            return True
        waited_s = min(now_s - case.ask_at_s, self._holes.quiet_s(case.hole, now_s))
        if case.answered and waited_s >= self._grace_s:
            came = case.hole.size - missing
            self._say(f"given up: {case.hole}: {came} of {case.hole.size} came")
            return True
        return False
