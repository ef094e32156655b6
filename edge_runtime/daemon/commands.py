"""Commands that come in by `…/cmd/{name}`: each is one entry of a table, answered with JSON."""

from __future__ import annotations

import contextlib
import logging
import math
import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta

from edge_runtime.daemon.reopenable import ReopenableOutbox
from edge_runtime.errors import EdgeError
from edge_runtime.outbox import MAX_REPLAY, Outbox
from edge_runtime.publish.contract import CommandReply

log = logging.getLogger("edge_runtime.daemon")

WAITING = 16  # commands not yet begun; further ones are refused: a broker may hold thousands
STOP_TIMEOUT_S = 5.0
TELL_EVERY_S = 60.0  # of refused commands in the log: who sends garbage sends much of it
SHOWN = 300  # characters of why: a decoder quotes what it was given

Answer: TypeAlias = dict[str, Any]
Handler: TypeAlias = Callable[[bytes], Answer]
Job: TypeAlias = tuple[Handler, str, bytes, CommandReply]


class CommandError(EdgeError):
    """A command cannot be carried out: its text is the answer."""


class Commands:
    """Carries commands out in a thread of its own, one after the other; answers each.

    An answer is `{"ok": true, …}` or `{"ok": false, "error": "…"}`. The publisher's thread only
    hands over: a command that waits for the disk must not stop results.
    """

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = dict(handlers)
        self._jobs: queue.Queue[Job | None] = queue.Queue(WAITING)
        self._stopping = False
        self._refused = 0  # since that was told
        self._tell_at_s = -math.inf
        self._thread = threading.Thread(target=self._run, name="commands", daemon=True)

    @property
    def names(self) -> tuple[str, ...]:
        """The commands that are carried out."""
        return tuple(self._handlers)

    def start(self) -> None:
        """Begin to carry commands out."""
        self._thread.start()

    def stop(self) -> None:
        """End after the command at work; what waits is not begun."""
        self._stopping = True
        with contextlib.suppress(queue.Full):  # full: the thread does not wait, and sees the flag
            self._jobs.put_nowait(None)
        self._thread.join(STOP_TIMEOUT_S)

    def take(self, name: str, payload: bytes, reply: CommandReply) -> None:
        """Take a command over; any thread, never blocks."""
        handler = self._handlers.get(name)
        if handler is None:
            known = ", ".join(sorted(self._handlers))
            reply(encoded(refusal(f"no command '{name[:64]}'; one of {known}")))
            return
        try:
            self._jobs.put_nowait((handler, name, payload, reply))
        except queue.Full:
            reply(encoded(refusal("too many commands are waiting; ask again later")))

    def _run(self) -> None:
        while not self._stopping and (job := self._jobs.get()) is not None:
            handler, name, payload, reply = job
            answer = carried_out(handler, name, payload)
            if answer["ok"]:
                log.info("command %s: done", name)
            else:
                self._tell_refused(answer["error"])
            reply(encoded(answer))

    def _tell_refused(self, why: str) -> None:
        self._refused += 1
        now_s = time.monotonic()
        if now_s >= self._tell_at_s:
            log.info("commands refused: %d; the last: %s", self._refused, why)
            self._refused, self._tell_at_s = 0, now_s + TELL_EVERY_S


def carried_out(handler: Handler, name: str, payload: bytes) -> Answer:
    """Return a handler's answer; whatever it raises is an answer too."""
    try:
        return {"ok": True, **handler(payload)}
    except (CommandError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return refusal(f"{name}: {error}")
    except Exception as error:
        log.exception("command %s failed", name)
        return refusal(f"{name}: failed on the device: {type(error).__name__}")


def refusal(why: str) -> Answer:
    """Return the answer that says why not."""
    return {"ok": False, "error": why[:SHOWN]}


def encoded(answer: Answer) -> bytes:
    """Return an answer as it is published."""
    return msgspec.json.encode(answer)


class ReplayArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The payload of `cmd/replay`: which records to send again, both ends included."""

    boot: Annotated[int, Meta(ge=1, lt=1 << 22)]
    from_seq: Annotated[int, Meta(ge=1, lt=1 << 40)]
    to_seq: Annotated[int, Meta(ge=1, lt=1 << 40)]


class ReplayCommand:
    """`cmd/replay`: sends records again that the broker has acknowledged but a consumer misses.

    The answer says what was looked at (`from_seq` to `to_seq`: a range too long is cut) and what
    became of it: `sent` again, `pending` (will come anyway), `gone` (no longer kept), `unknown`
    (never made).
    """

    def __init__(self, outbox: Outbox | ReopenableOutbox) -> None:
        self._outbox = outbox

    def __call__(self, payload: bytes) -> Answer:
        asked = msgspec.json.decode(payload, type=ReplayArguments)
        if asked.to_seq < asked.from_seq:
            raise CommandError("to_seq is less than from_seq")
        to_seq = min(asked.to_seq, asked.from_seq + MAX_REPLAY - 1)
        found = self._outbox.replay(asked.boot, asked.from_seq, to_seq)
        if found is None:
            raise CommandError("the outbox cannot read its disk now; ask again later")
        return {
            "boot": asked.boot,
            "from_seq": asked.from_seq,
            "to_seq": to_seq,
            "sent": found.sent,
            "pending": found.pending,
            "gone": found.gone,
            "unknown": found.unknown,
        }
