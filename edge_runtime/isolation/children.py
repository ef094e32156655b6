"""The daemon's side: starts the template process and has it fork children."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from edge_runtime.errors import EdgeError
from edge_runtime.isolation import template
from edge_runtime.isolation.channel import Channel, ChannelClosedError
from edge_runtime.isolation.limits import ChildLimits
from edge_runtime.isolation.template import (
    Ended,
    Fate,
    Fork,
    Kill,
    Order,
    Started,
    become_template,
)

log = logging.getLogger("edge_runtime.isolation")

START_TIMEOUT_S = 30.0  # a board under load imports numpy and OpenCV in 5 s
KILL_TIMEOUT_S = 2.0


class ChildStartError(EdgeError):
    """A child could not be started."""


class Child:
    """One child process: its channel, and how it ended. Its owner closes it.

    `channel` belongs to one thread at a time; `kill` may come from any.
    """

    def __init__(
        self, factory: ChildFactory, process: int, channel: Channel, fate: Channel
    ) -> None:
        self.channel = channel
        self.process = process
        self._factory = factory
        self._fate = fate
        self._status: int | None = None

    def kill(self) -> None:
        """End it at once, wherever it hangs; it may have ended already."""
        self._factory.kill(self.process)

    def ended(self, timeout_s: float = 0.0) -> int | None:
        """Return its exit status (less than 0: the signal that ended it); None: it still runs.

        Where the template itself was ended its status is not known: -SIGKILL, which it got.
        """
        if self._status is None:
            try:
                told = self._fate.receive(timeout_s)
                word = None if told is None else decode_fate(told[0])
                if isinstance(word, Ended):
                    self._status = word.status
            except ChannelClosedError:
                self._status = -int(signal.SIGKILL)
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
        self._orders: Channel | None = None
        self._template: TemplateProcess | None = None
        self._closed = False

    def start(self, entry: str, request: bytes, *, name: str, limits: ChildLimits) -> Child:
        """Fork a child that runs `entry`. Raises ChildStartError where that fails twice."""
        order = Fork(entry, request, name, limits)
        for _attempt in range(2):
            try:
                return self._start(order)
            except ChannelClosedError:
                log.warning("the template of the child processes has ended; another is started")
                self._forget()
        raise ChildStartError("a child process could not be started; is the memory full?")

    def _start(self, order: Fork) -> Child:
        """Have the template fork. Raises ChannelClosedError where it is gone or says nothing."""
        ours, theirs = Channel.pair()
        fate, fate_theirs = Channel.pair()
        try:
            with theirs, fate_theirs:
                self._order(order, (theirs.fileno(), fate_theirs.fileno()))
            return Child(self, wait_started(fate), ours, fate)
        except BaseException:
            ours.close()
            fate.close()
            raise

    def preload(self, shared: tuple[str, ...], own: tuple[str, ...]) -> None:
        """Name the modules that children need: the next template that is started imports them.

        `shared` are needed in this process as well, which imports them before it forks.
        """
        with self._lock:
            self._shared, self._own = shared, own

    def prepare(self) -> None:
        """Start the template now, while this process has one thread and little memory."""
        with self._lock:
            if self._orders is None and not self._closed:
                self._orders, self._template = start_template(self._shared, self._own)

    def kill(self, process: int) -> None:
        """End a child at once."""
        with contextlib.suppress(ChannelClosedError, ChildStartError):
            self._order(Kill(process), ())

    def close(self) -> None:
        """End the template, and with it all children."""
        with self._lock:
            self._closed = True
        self._forget()

    def _order(self, order: Order, descriptors: tuple[int, ...]) -> None:
        with self._lock:
            if self._closed:
                raise ChildStartError("the daemon is stopping: no child is started any more")
            if self._orders is None:
                self._orders, self._template = start_template(self._shared, self._own)
            self._orders.send(msgspec.msgpack.encode(order), descriptors)

    def _forget(self) -> None:
        with self._lock:
            orders, self._orders = self._orders, None
            process, self._template = self._template, None
        if orders is not None:
            orders.close()
        if process is not None:
            process.end()


def wait_started(fate: Channel) -> int:
    """Return a new child's number. Raises ChannelClosedError where the template does not answer."""
    told = fate.receive(START_TIMEOUT_S)
    word = None if told is None else decode_fate(told[0])
    if not isinstance(word, Started):
        raise ChannelClosedError("the template does not answer")
    return word.process


class TemplateProcess:
    """The template process as its parent sees it."""

    def __init__(self, process: int) -> None:
        self._process = process

    def end(self) -> None:
        """Wait for its end, which the closed socket asks of it; end it where it does not come."""
        with contextlib.suppress(ChildProcessError):
            if not self._wait(KILL_TIMEOUT_S):
                os.kill(self._process, signal.SIGKILL)
                os.waitpid(self._process, 0)

    def _wait(self, timeout_s: float) -> bool:
        deadline_s = time.monotonic() + timeout_s
        while os.waitpid(self._process, os.WNOHANG)[0] == 0:
            if time.monotonic() > deadline_s:
                return False
            time.sleep(0.01)
        return True


def start_template(
    shared: tuple[str, ...], own: tuple[str, ...]
) -> tuple[Channel, TemplateProcess]:
    """Start the template process; it imports while the daemon goes on.

    As long as this process has one thread it is forked, and shares the pages of what is imported
    already. A process with more threads must not be forked (a lock may be held that nobody would
    ever give back in the copy): it starts a fresh interpreter.
    """
    ours, theirs = Channel.pair()
    with theirs:
        if has_one_thread():
            for module in shared:
                import_module(module)
            process = os.fork()
            if process == 0:
                keep_only(theirs.fileno())
                become_template(theirs, (*shared, *own))
        else:
            theirs.set_inheritable(True)
            number = str(theirs.fileno())
            command = [sys.executable, "-m", template.__name__, number, *shared, *own]
            no_input = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
            process = os.posix_spawn(sys.executable, command, os.environ, file_actions=[no_input])
    return ours, TemplateProcess(process)


def has_one_thread() -> bool:
    """Say whether this process can be forked: native libraries' threads count, too."""
    return len(list(Path("/proc/self/task").iterdir())) == 1


def keep_only(descriptor: int) -> None:
    """Close every descriptor of this process but the standard ones and one more.

    A copy of the daemon's sockets and locks would keep them open beyond the daemon's end.
    """
    for entry in list(Path("/proc/self/fd").iterdir()):
        if int(entry.name) > 2 and int(entry.name) != descriptor:
            with contextlib.suppress(OSError):
                os.close(int(entry.name))


def decode_fate(message: bytes) -> Fate:
    """Return what the template says of a child."""
    word: Any = msgspec.msgpack.decode(message, type=Fate)
    fate: Fate = word
    return fate
