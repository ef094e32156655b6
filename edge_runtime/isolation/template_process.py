"""The template process as its parent sees it: how it is started, takes orders and ends."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import msgspec

from edge_runtime.isolation import template
from edge_runtime.isolation.channel import ChannelClosedError, MessageChannel
from edge_runtime.isolation.template import Order, become_template

KILL_TIMEOUT_S = 2.0
ORDER_TIMEOUT_S = 5.0  # until the template has room for an order: one that hangs has none


class TemplateProcess:
    """A template process and the socket by which it takes orders. Any thread."""

    def __init__(self, process: int, orders: MessageChannel) -> None:
        self._process = process
        self._orders = orders
        self._sending = threading.Lock()

    def order(self, order: Order, descriptors: tuple[int, ...] = ()) -> None:
        """Have it do something. Raises ChannelClosedError where it is gone, or hangs."""
        message = msgspec.msgpack.encode(order)
        with self._sending:
            if not self._orders.send(message, descriptors, ORDER_TIMEOUT_S):
                raise ChannelClosedError("the template takes no orders")

    def end(self) -> None:
        """Hang up, which asks it to end; end it where it does not in time. Called once."""
        self._orders.hang_up()
        with contextlib.suppress(ChildProcessError):
            if not self._wait(KILL_TIMEOUT_S):
                os.kill(self._process, signal.SIGKILL)
                os.waitpid(self._process, 0)
        with self._sending:
            self._orders.close()

    def _wait(self, timeout_s: float) -> bool:
        deadline_s = time.monotonic() + timeout_s
        while os.waitpid(self._process, os.WNOHANG)[0] == 0:
            if time.monotonic() > deadline_s:
                return False
            time.sleep(0.01)
        return True


def start_template(shared: tuple[str, ...], own: tuple[str, ...]) -> TemplateProcess:
    """Start the template process; it imports while the daemon goes on. Raises OSError.

    As long as this process has one thread it is forked, and shares the pages of what is imported
    already. A process with more threads must not be forked (a lock may be held that nobody would
    ever give back in the copy): it starts a fresh interpreter.
    """
    ours, theirs = MessageChannel.pair()
    with theirs, closing_on_error(ours):
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
    return TemplateProcess(process, ours)


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


@contextlib.contextmanager
def closing_on_error(channel: MessageChannel) -> Iterator[None]:
    """Close a channel where the block raises."""
    try:
        yield
    except BaseException:
        channel.close()
        raise
