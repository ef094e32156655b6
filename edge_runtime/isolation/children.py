"""The daemon's side: has a template process fork children."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from typing import Any

import msgspec

from edge_runtime.errors import EdgeError, because
from edge_runtime.isolation.channel import ChannelClosedError, MessageChannel
from edge_runtime.isolation.limits import ChildLimits
from edge_runtime.isolation.sandbox import NO_SANDBOX, kept_by
from edge_runtime.isolation.template import (
    EndAll,
    Ended,
    Fate,
    Fork,
    Kill,
    NotStarted,
    Started,
)
from edge_runtime.isolation.template_process import (
    KILL_TIMEOUT_S,
    TemplateProcess,
    closing_on_error,
    start_template,
)

log = logging.getLogger("edge_runtime.isolation")

START_TIMEOUT_S = 30.0  # a board under load imports numpy and OpenCV in 5 s
STARTS = 2
# After which `ChildFactory.start` has answered, whatever hangs.
LONGEST_START_S = STARTS * (START_TIMEOUT_S + KILL_TIMEOUT_S)


class ChildStartError(EdgeError):
    """A child could not be started."""


class Child:
    """One child process: its channel, and how it ended. Its owner closes it.

    `channel` belongs to one thread at a time; `kill` may come from any.
    """

    def __init__(
        self, template: TemplateProcess, process: int, channel: MessageChannel, fate: MessageChannel
    ) -> None:
        self.channel = channel
        self.process = process
        self._template = template
        self._fate = fate
        self._status: int | None = None
        self.lost_template = False  # it ended because the template did

    def kill(self) -> None:
        """End it at once, wherever it hangs; it may have ended already."""
        with contextlib.suppress(ChannelClosedError):
            self._template.order(Kill(self.process))

    def ended(self, timeout_s: float = 0.0) -> int | None:
        """Return its exit status (less than 0: the signal that ended it); None: it still runs.

        Where the template itself was ended its status is not known: -SIGKILL, which it got.
        """
        if self._status is None:
            try:
                told = self._fate.receive(timeout_s)
                word = None if told is None else decode_fate(told)
                if isinstance(word, Ended):
                    self._status = word.status
            except ChannelClosedError:
                self._status = -int(signal.SIGKILL)
                self.lost_template = True
        return self._status

    def close(self, patience_s: float = 0.0) -> None:
        """Close the channel, which asks it to end; end it where it does not in time."""
        self.channel.close()
        if self.ended(patience_s) is None:
            self.kill()
            self.ended(KILL_TIMEOUT_S)
        self._fate.close()


class ChildFactory:
    """Starts children, by a template process that is started where there is none. Any thread."""

    def __init__(self, shared: tuple[str, ...] = (), own: tuple[str, ...] = ()) -> None:
        """Nothing is started yet; see `preload`."""
        self._shared = shared
        self._own = own
        self._lock = threading.Lock()
        self._template: TemplateProcess | None = None
        self._closed = False
        self._told = False  # that the kernel has no sandbox

    def start(self, entry: str, request: bytes, *, name: str, limits: ChildLimits) -> Child:
        """Fork a child that runs `entry`. Raises ChildStartError."""
        order = Fork(entry, request, name, limits)
        for _attempt in range(STARTS):
            template = self._running()
            try:
                return fork_child(template, order)
            except ChannelClosedError:
                log.warning("the template of the child processes has ended; another is started")
                self._forget(template)
        raise ChildStartError("a child process could not be started; is the memory full?")

    def preload(self, shared: tuple[str, ...], own: tuple[str, ...]) -> None:
        """Name the modules that children need: the next template that is started imports them.

        `shared` are needed in this process as well, which imports them before it forks.
        """
        with self._lock:
            self._shared, self._own = shared, own

    def prepare(self) -> None:
        """Start the template now, while this process has one thread and little memory.

        Where that fails, whoever starts a child is told.
        """
        with contextlib.suppress(ChildStartError):
            self._running()

    def end_children(self) -> None:
        """End every child at once: whoever waits for an answer of one is told."""
        with self._lock:
            template = self._template
        if template is not None:
            with contextlib.suppress(ChannelClosedError):
                template.order(EndAll())

    def close(self) -> None:
        """End the template, and with it all children."""
        with self._lock:
            self._closed = True
            template = self._template
        if template is not None:
            self._forget(template)

    def _running(self) -> TemplateProcess:
        with self._lock:
            if self._closed:
                raise ChildStartError("the daemon is stopping: no child is started any more")
            if self._template is None:
                self._tell_once()
                try:
                    self._template = start_template(self._shared, self._own)
                except OSError as error:
                    raise not_started(because(error)) from error
            return self._template

    def _tell_once(self) -> None:
        if not self._told and not kept_by():
            log.warning("isolation: %s", NO_SANDBOX)
        self._told = True

    def _forget(self, template: TemplateProcess) -> None:
        """End a template, unless another thread has done that, and started another."""
        with self._lock:
            if self._template is not template:
                return
            self._template = None
        template.end()


def fork_child(template: TemplateProcess, order: Fork) -> Child:
    """Have a template fork. Raises ChannelClosedError where it is gone or says nothing.

    Raises ChildStartError where the board lets it start no process.
    """
    ours, theirs = MessageChannel.pair()
    fate, fate_theirs = MessageChannel.pair()
    with closing_on_error(ours), closing_on_error(fate):
        with theirs, fate_theirs:
            template.order(order, (theirs.fileno(), fate_theirs.fileno()))
        return Child(template, wait_started(fate), ours, fate)


def wait_started(fate: MessageChannel) -> int:
    """Return a new child's number. Raises ChannelClosedError where the template does not answer."""
    told = fate.receive(START_TIMEOUT_S)
    word = None if told is None else decode_fate(told)
    if isinstance(word, NotStarted):
        raise not_started(word.reason)
    if not isinstance(word, Started):
        raise ChannelClosedError("the template does not answer")
    return word.process


def not_started(reason: str) -> ChildStartError:
    """Return the error for a process that the kernel did not start."""
    return ChildStartError(
        "a child process could not be started ({reason}); see how many processes there are and how "
        "much memory is free (systemctl status edge-runtime)",
        reason=reason,
    )


def signal_name(status: int) -> str:
    """Return the name of the signal that an exit status below 0 tells of."""
    try:
        return signal.Signals(-status).name
    except ValueError:  # one of the real-time signals
        return f"signal {-status}"


def decode_fate(message: bytes) -> Fate:
    """Return what the template says of a child."""
    word: Any = msgspec.msgpack.decode(message, type=Fate)
    fate: Fate = word
    return fate
