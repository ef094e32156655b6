"""`cmd/why`: why there was an alarm, or none, in 400 bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import msgspec
from msgspec import Meta

from edge_runtime.clock import Clock
from edge_runtime.daemon.commands import Answer, CommandError
from edge_runtime.decision_log.explanation import Question
from edge_runtime.decision_log.log import DecisionLog
from edge_runtime.decision_log.question import (
    DEFAULT_LENGTH,
    answered,
    asked_moment,
    asked_span,
    short_answer,
)
from edge_runtime.errors import UsageError

Words = Annotated[str, Meta(max_length=128)]


class WhyArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The payload: a stream, from which moment on (Unix seconds or words) and for how long."""

    stream: Words
    at: float | Words
    length: Words = msgspec.field(name="for", default=DEFAULT_LENGTH)
    label: Words = ""
    rule: Words = ""


class WhyCommand:
    """The answer: `causes`, what explains most first, and `text`, as much as there is room for."""

    def __init__(self, log: DecisionLog, clock: Clock, time_zone: Callable[[], str]) -> None:
        self._log = log
        self._clock = clock
        self._time_zone = time_zone

    def __call__(self, payload: bytes) -> Answer:
        asked = msgspec.json.decode(payload, type=WhyArguments)
        now_s = self._clock.now().wall_s
        try:
            begin_s = (
                asked.at
                if isinstance(asked.at, float)
                else asked_moment(asked.at, now_s, self._time_zone())
            )
            begin_s, end_s = asked_span(begin_s, asked.length, now_s)
        except UsageError as error:
            raise CommandError(error.text) from None
        self._log.flush()
        question = Question(asked.label, asked.rule)
        return short_answer(answered(self._log.folder, asked.stream, begin_s, end_s, question))
