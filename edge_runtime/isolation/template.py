"""The template process: it has imported what children need, and forks them when it is asked.

It runs one thread, reads no stranger's bytes and keeps no state but its children's numbers. It ends
with the daemon, and its children end with it. It is their parent, so that it alone may end one: a
number of a process that it has not yet waited for is not given to another.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import os
import select
import signal
import socket
import sys
from importlib import import_module
from typing import NoReturn, TypeAlias

import msgspec

from edge_runtime.errors import one_line
from edge_runtime.isolation.channel import (
    MAX_MESSAGE_BYTES,
    ChannelClosedError,
    MessageChannel,
    close_all,
)
from edge_runtime.isolation.limits import ChildLimits, confine, end_with_parent
from edge_runtime.urls import error_text

NAME_LENGTH = 15  # of what `ps` shows
OUT_OF_MEMORY = 3  # exit status of a child that Python told of it; C++ aborts in place of that
PR_SET_NAME = 15


class Fork(msgspec.Struct, frozen=True, tag="fork"):
    """Fork a child that runs `entry` ("module:function") with `request` and its channel.

    With it come the child's end of its channel, and the end to which its fate is told.
    """

    entry: str
    request: bytes
    name: str
    limits: ChildLimits


class Kill(msgspec.Struct, frozen=True, tag="kill"):
    """End a child at once."""

    process: int


class EndAll(msgspec.Struct, frozen=True, tag="end-all"):
    """End every child at once."""


Order: TypeAlias = Fork | Kill | EndAll


class Started(msgspec.Struct, frozen=True, tag="started"):
    """A child runs."""

    process: int


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """A child has ended: its exit status, or less than 0: the signal that ended it."""

    status: int


class NotStarted(msgspec.Struct, frozen=True, tag="not-started"):
    """The kernel started no process: why."""

    reason: str


Fate: TypeAlias = Started | NotStarted | Ended


class TemplateServer:
    """Serves one daemon through a socket, until the daemon closes it."""

    def __init__(self, orders: socket.socket) -> None:
        self._orders = orders
        self._fates: dict[int, socket.socket] = {}
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def serve(self) -> None:
        """Fork and bury children until the daemon is gone; then end those that are left."""
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        poll = select.poll()
        poll.register(self._orders, select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        try:
            while True:
                ready = dict(poll.poll())
                if self._wake_read in ready:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._wake_read, 512)
                    self._bury()
                if self._orders.fileno() in ready and not self._carry_out():
                    return
        finally:
            self._end_all()

    def _end_all(self) -> None:
        for process in self._fates:
            os.kill(process, signal.SIGKILL)

    def _carry_out(self) -> bool:
        """Carry out one order; False: there will be none any more."""
        try:
            message, descriptors, _flags, _address = socket.recv_fds(
                self._orders, MAX_MESSAGE_BYTES, 2
            )
        except OSError:
            return False
        if not message:
            return False
        order: Order = msgspec.msgpack.decode(message, type=Order)
        match order:
            case Fork():
                self._fork(order, descriptors)
            case Kill(process=process):
                close_all(tuple(descriptors))
                if process in self._fates:
                    os.kill(process, signal.SIGKILL)
            case EndAll():
                close_all(tuple(descriptors))
                self._end_all()
        return True

    def _fork(self, order: Fork, descriptors: list[int]) -> None:
        if len(descriptors) != 2:  # none were free here: the daemon sees both ends closed
            close_all(tuple(descriptors))
            return
        channel, fate = (socket.socket(fileno=one) for one in descriptors)
        parent = os.getpid()
        try:
            process = os.fork()
        except OSError as error:  # other children go on
            tell(fate, NotStarted(os.strerror(error.errno or 0)))
            channel.close()
            fate.close()
            return
        if process == 0:
            self._become(order, channel, fate, parent)
        channel.close()
        self._fates[process] = fate
        tell(fate, Started(process))

    def _become(
        self, order: Fork, channel: socket.socket, fate: socket.socket, parent: int
    ) -> NoReturn:
        """Be the child, to its end. The template's own descriptors are closed first."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for other in (self._orders, fate, *self._fates.values()):
                other.close()
            close_all((self._wake_read, self._wake_write))
            end_with_parent(parent)
            set_name(order.name)
            confine(order.limits)
            gc.enable()  # what was imported stays frozen
            module, _, function = order.entry.partition(":")
            getattr(import_module(module), function)(MessageChannel(channel), order.request)
            status = 0
        except ChannelClosedError:
            status = 0  # how the daemon ends a child
        except MemoryError:
            status = OUT_OF_MEMORY
        except BaseException as error:  # the fork's copy of the template must never go on
            # A library's text may repeat a URL with its login.
            sys.stderr.write(f"edge-runtime: {order.name}: {one_line(error_text(error))}\n")
        finally:
            sys.stderr.flush()
            os._exit(status)

    def _bury(self) -> None:
        while self._fates:
            try:
                process, wait_status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if process == 0:
                return
            fate = self._fates.pop(process, None)
            if fate is not None:
                tell(fate, Ended(os.waitstatus_to_exitcode(wait_status)))
                fate.close()


def tell(fate: socket.socket, word: Fate) -> None:
    """Tell the daemon of a child; it may have lost interest."""
    with contextlib.suppress(OSError):
        fate.send(msgspec.msgpack.encode(word))


def set_name(name: str) -> None:
    """Set what `ps` and the kernel's log call this process."""
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode()[:NAME_LENGTH], 0, 0, 0)


def become_template(orders: socket.socket, modules: tuple[str, ...]) -> NoReturn:
    """Import what children need and serve, to the end of this process."""
    status = 1
    try:
        # A stop of the service is the daemon's to carry out: what it still needs must not end
        # before it. It closes the socket when it is done.
        for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(one, signal.SIG_IGN)
        os.setsid()  # no terminal: whoever takes a child over must not type on it
        set_name("edge-template")
        faulthandler.disable()  # a forked copy of the daemon's would write in its name
        for module in modules:
            import_module(module)
        gc.collect()
        gc.freeze()  # a collection in a child would copy every page that holds an object
        TemplateServer(orders).serve()
        status = 0
    except BaseException as error:
        sys.stderr.write(f"edge-runtime: template process: {type(error).__name__}: {error}\n")
    finally:
        sys.stderr.flush()
        os._exit(status)


def main() -> None:
    """Be the template: a descriptor and the modules to import are the arguments."""
    from edge_runtime import startup

    startup.before_imports()
    become_template(socket.socket(fileno=int(sys.argv[1])), tuple(sys.argv[2:]))


if __name__ == "__main__":
    main()
