"""The device's commands: subscribed to, also after a refusal, carried out, answered."""

from __future__ import annotations

import logging
from collections.abc import Callable

from edge_runtime.backoff import Backoff
from edge_runtime.broker.reasons import FAILURE, NO_WILDCARDS
from edge_runtime.errors import Text, one_line
from edge_runtime.publish.link import BrokerLink, Command
from edge_runtime.publish.outgoing import ControlMessage
from edge_runtime.publish.session_context import SessionContext
from edge_runtime.records import Message

log = logging.getLogger("edge_runtime.publish")

# A broker may learn of a new device's rights only after it has let the device in.
FIRST_RESUBSCRIBE_S = 1.0
LONGEST_RESUBSCRIBE_S = 300.0


class CommandSubscription:
    """Of one connection; all in the publisher's thread, answers from any.

    `subscribe_at_s`: when to subscribe again, where the broker refused; None: it did not.
    """

    def __init__(self, context: SessionContext, link: BrokerLink, *, wildcards: bool) -> None:
        """`wildcards` False: each command is subscribed to by its name."""
        self._context = context
        self._link = link
        self._resubscribe = Backoff(FIRST_RESUBSCRIBE_S, LONGEST_RESUBSCRIBE_S, context.jitter)
        self._wildcards = wildcards
        self.subscribe_at_s: float | None = None

    def subscribe(self) -> None:
        """Ask for the device's commands, where somebody carries them out."""
        self.subscribe_at_s = None
        if self._context.on_command is not None:
            root = self._context.identity.command_root
            names = ("#",) if self._wildcards else self._context.settings.commands
            self._link.subscribe([f"{root}/{name}" for name in names])

    def subscribe_again_when_due(self) -> None:
        """Ask once more after a refusal, when its time has come."""
        at_s = self.subscribe_at_s
        if at_s is not None and self._context.clock.monotonic() >= at_s:
            self.subscribe()

    def handle(self) -> None:
        """Deal with what the broker answered, and carry out the commands that came."""
        answers, self._link.subscribed = self._link.subscribed, []
        if self._wildcards and NO_WILDCARDS in answers:
            self._wildcards = False
            self.subscribe()
        elif any(code >= FAILURE for code in answers):
            self._context.note(Text("the broker does not let this device receive commands"))
            self.subscribe_at_s = self._context.clock.monotonic() + self._resubscribe.next_s()
        elif answers and self._resubscribe.tries:
            self._resubscribe.reset()
            self._context.cleared()
        commands, self._link.commands = self._link.commands, []
        for command in commands:
            self._dispatch(command)

    def _dispatch(self, command: Command) -> None:
        # What a broker sends may hold anything: it goes into the log and the status.
        name = one_line(command.topic.removeprefix(f"{self._context.identity.command_root}/"))
        if command.retained:
            # It would come again with every connect: a retained "restart" restarts for ever.
            self._context.note(
                Text("retained command '{name}' ignored; publish commands not retained", name=name)
            )
            return
        try:
            if self._context.on_command is not None:
                self._context.on_command(name, command.payload, self._reply_to(name, command))
        except Exception:
            log.exception("command '%s' failed", name)

    def _reply_to(self, name: str, command: Command) -> Callable[[bytes], None]:
        topic = command.reply_to or f"{self._context.identity.root}/reply/{name}"

        def reply(payload: bytes) -> None:
            message = Message(topic, payload, "application/json")
            self._context.control_messages.put(
                ControlMessage(message, "reply", command.correlation)
            )
            self._context.wake()

        return reply
