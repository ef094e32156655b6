"""Serial ports by pyserial: opened for us alone, and what it means where that fails."""

from __future__ import annotations

import errno
import fcntl
import os
import pwd
import stat
import struct
import termios
from pathlib import Path
from typing import Any

import serial

from edge_runtime.board.kernel import first_number, read
from edge_runtime.board.open_files import name_of_group, others_with, processes_with
from edge_runtime.errors import SourceError, Text, because, located, row
from edge_runtime.framing.causes import Cause, LineErrors
from edge_runtime.options import SerialOptions
from edge_runtime.urls import shown_url, without_urls

# What pyserial lets through when a device goes: SerialException is an OSError, termios' own is not.
PORT_ERRORS = (OSError, termios.error)
PARITIES = {"none": "N", "even": "E", "odd": "O", "mark": "M", "space": "S"}
WRITE_TIMEOUT_S = 2.0

TIOCGICOUNT = 0x545D
# <linux/serial.h>, struct serial_icounter_struct: cts dsr rng dcd rx tx frame overrun parity brk
# buf_overrun, and nine that are reserved.
COUNTS = struct.Struct("20i")
FRAME, OVERRUN, PARITY, BREAK = 6, 7, 8, 9


class PortError(SourceError):
    """What is wrong with a port or a line, and what to do: `doctor` shows them apart."""

    def __init__(self, place: str, cause: Cause) -> None:
        super().__init__(row([located(place, cause.what), cause.advice]))
        self.place = place
        self.cause = cause


def open_port(options: SerialOptions, timeout_s: float) -> Any:
    """Open a port of pyserial's, for us alone. Raises PortError with what to do."""
    url = options.pyserial_url
    try:
        return serial.serial_for_url(
            url,
            baudrate=options.baud,
            bytesize=options.bytesize,
            parity=PARITIES[options.parity],
            stopbits=options.stopbits,
            timeout=timeout_s,
            # pyserial's RFC 2217 client refuses one; its writes end with the connection.
            write_timeout=None if url.startswith("rfc2217://") else WRITE_TIMEOUT_S,
            exclusive=True,
        )
    except (*PORT_ERRORS, ValueError) as error:
        raise PortError(shown_url(options.url), cannot_open(options.url, error)) from None


def close_port(port: Any) -> None:
    """Close a port; one that is gone already may say so."""
    try:
        port.close()
    except PORT_ERRORS:
        return


def line_errors(port: Any) -> LineErrors | None:
    """Return what the port's driver has counted on its line; None where it does not count."""
    try:
        counts = COUNTS.unpack(fcntl.ioctl(port.fileno(), TIOCGICOUNT, bytes(COUNTS.size)))
    except (AttributeError, ValueError, *PORT_ERRORS):  # a socket, a pty, a driver without it
        return None
    return LineErrors(counts[FRAME], counts[PARITY], counts[OVERRUN], counts[BREAK])


def names_of_ports(root: Path = Path("/")) -> list[str]:
    """Return the ports by the names that stay the same, else as the kernel numbers them."""
    dev = root / "dev"
    stable = sorted(map(str, (dev / "serial/by-id").glob("*")))
    return stable or sorted(str(p) for kind in ("ttyUSB*", "ttyACM*") for p in dev.glob(kind))


def ports_on_pins(root: Path = Path("/")) -> list[str]:
    """Return the board's own UARTs, on its pins: those that are real and nobody else's.

    A kernel has nodes for ports that no board has (type 0, PORT_UNKNOWN of <linux/serial_core.h>);
    some are its console. On a Raspberry Pi /dev/serial0 is the one on the pins, whatever its name,
    and /dev/serial1 is Bluetooth's.
    """
    dev = root / "dev"
    consoles = read(root / "sys/class/tty/console/active").split()
    bluetooth = (dev / "serial1").resolve()
    on_pins = dev / "serial0"
    found = []
    for type_file in sorted((root / "sys/class/tty").glob("*/type")):
        node = dev / type_file.parent.name
        is_real = first_number(read(type_file)) not in (None, 0)
        if not is_real or not node.exists() or node.name in consoles or node == bluetooth:
            continue
        found.append(str(on_pins if on_pins.resolve() == node else node))
    return found


def cannot_open(url: str, error: Exception) -> Cause:
    """Return why a port did not open, and what to do."""
    match getattr(error, "errno", None):
        case errno.ENOENT | errno.ENODEV | errno.ENXIO:
            return not_there()
        case errno.EACCES:
            return not_permitted(Path(url))
        case errno.EPERM:
            return Cause(
                Text("the service's unit does not let it open the port (DeviceAllow)"),
                Text("`sudo edge-runtime doctor` names the command that adds it"),
            )
        case errno.EAGAIN | errno.EBUSY:
            return held_by_others(Path(url))
    if "Inappropriate ioctl" in str(error):
        return Cause(
            Text("not a serial port"), Text("name one from `ls /dev/serial/by-id` as source.url")
        )
    advice = Text("check url, baud and parity")
    if "://" in url:
        advice = Text("check url, and that the server is switched on and in this network")
    return Cause(Text("cannot be opened ({reason})", reason=why_unopened(error)), advice)


def not_there(root: Path = Path("/")) -> Cause:
    """Return that a path leads to no port, and which ports there are."""
    if here := names_of_ports(root):
        return Cause(
            Text("no such port"),
            Text("plug the adapter in, or name one that is there: {ports}", ports=", ".join(here)),
        )
    return Cause(
        Text("no such port, and no other USB adapter is there"),
        Text("plug the adapter in, or see `ls /dev/serial/by-id`"),
    )


def not_permitted(path: Path) -> Cause:
    """Return who may open a port, where we may not."""
    user = name_of_user()
    try:
        about = path.stat()
    except OSError:
        about = None
    if about is not None and about.st_mode & stat.S_IRGRP and about.st_mode & stat.S_IWGRP:
        group = name_of_group(about.st_gid)
        return Cause(
            Text("permission denied: it is for the group {group}", group=group),
            Text(
                "add the user: `sudo usermod -aG {group} {user}`, then start the service anew",
                group=group,
                user=user,
            ),
        )
    return Cause(
        Text("permission denied for the user {user}", user=user),
        Text("see `ls -l {path}`: a serial port is of the group dialout, mode 660", path=path),
    )


def held_by_others(path: Path) -> Cause:
    """Return which process has a port, as far as it can be seen."""
    found = processes_with(path)
    others = [one for one in found if one.pid != os.getpid()]
    if others:
        who = ", ".join(map(str, others))
        return Cause(Text("another program holds it: {who}", who=who), Text("stop that program"))
    if found:
        return Cause(
            Text("another stream of this program holds it"),
            Text("give each port to one stream; Modbus devices on one line may share it"),
        )
    return Cause(
        Text("another user's program holds it"),
        Text("`sudo fuser -v {path}` names it: stop it", path=path),
    )


def why_unopened(error: Exception) -> Text:
    """Return what the system said. Of pyserial's own texts many repeat what stands in the URL."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and not isinstance(cause, serial.SerialException):
            return because(cause)
        cause = cause.__context__
    return Text("pyserial does not take it")


def lost(url: str, error: Exception) -> Cause:
    """Return why a port that was open went away, and what to do."""
    reason = without_urls(str(error))
    if "://" in url:
        return Cause(
            Text("the connection is lost ({reason})", reason=reason),
            Text("check the server, its power and the network; it is connected again by itself"),
        )
    path = Path(url)
    if not path.exists():
        return Cause(
            Text("the port is gone: its adapter was unplugged, or lost its power"),
            Text(
                "check its plug and cable (a path under /dev/serial/by-id stays the same when it "
                "is plugged in again)"
            ),
        )
    others = others_with(path)
    if others:
        return Cause(
            Text("another program reads it as well: {who}", who=", ".join(map(str, others))),
            Text("stop that program"),
        )
    return Cause(
        Text("the port is gone, and there is one again ({reason})", reason=reason),
        Text("check its plug, cable and power where that comes again"),
    )


def name_of_user() -> str:
    """Return the name of the user that this process runs as."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
