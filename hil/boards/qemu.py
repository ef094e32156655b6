"""A board as a virtual machine: a Debian disk with a kernel of its own, in emulation.

Pulling the plug is the end of QEMU: what the guest's kernel had not written is lost, and of what it
had written but not flushed, a part (hil/emulator/disk.py). Its camera is the kernel's `vivid`, its
sensor a USB serial adapter, its cable one that can be cut on either side.
"""

from __future__ import annotations

import platform
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from hil import images, network
from hil.board import SUITE, Board, Plug, Target
from hil.boards.nspawn import has
from hil.boards.shell import Remote
from hil.emulator.console import Console
from hil.emulator.disk import Disk, Settled
from hil.emulator.image import PACKAGES, Image, image
from hil.emulator.qmp import Qmp
from hil.stimuli import SENSOR, SENSOR_SOURCE

START_S, BOOT_S = 10.0, 600.0  # a boot may end an upgrade
INTERFACE, TAP = "eth0", "tap0"
TUN = Path("/dev/net/tun")
PROGRAMS = {
    "qemu-system-x86_64": "apt-get install qemu-system-x86",
    "qemu-img": "apt-get install qemu-utils",
    "mke2fs": "apt-get install e2fsprogs",
    "debootstrap": "apt-get install debootstrap",
    "ip": "apt-get install iproute2",
    "unshare": "apt-get install util-linux",
}
KERNEL = "root=/dev/vda rw console=ttyS0 net.ifnames=0 mitigations=off systemd.show_status=no quiet"
MACHINE = (
    *("-no-user-config", "-nodefaults", "-display", "none", "-no-reboot"),
    *("-machine", "pc", "-accel", "tcg,thread=multi", "-cpu", "max,la57=off"),
    *("-smp", "2", "-m", "1024"),
    # Merged, a request may have as many parts as a host's call takes, and the log adds one.
    *("-device", "virtio-blk-pci,drive=disk,request-merging=off", "-device", "virtio-rng-pci"),
    *("-device", "virtio-serial-pci", "-device", "virtserialport,chardev=console,name=hil.console"),
    *("-netdev", f"tap,id=cable,ifname={TAP},script=no,downscript=no"),
    *("-device", "virtio-net-pci,id=nic,netdev=cable,mac=52:54:00:12:34:56,romfile="),
    *("-device", "qemu-xhci,id=usb"),
)


class QemuBench:
    """Boards under qemu-system-x86_64, without hardware's help."""

    suite = SUITE
    enclosed = True

    def missing(self) -> list[str]:
        lacks = [
            f"{name} is not installed: {how}" for name, how in PROGRAMS.items() if not has(name)
        ]
        if not TUN.exists():
            lacks.append(f"{TUN} is missing: modprobe tun, or a machine that allows it")
        return lacks

    def prepare(self) -> Target:
        self._image()
        python = (self._tree() / "usr/bin/python3").readlink().name
        return Target(platform.machine(), python.removeprefix("python"))

    def board(self, scratch: Path) -> Board:
        return Qemu(self._image(), scratch)

    def _tree(self) -> Path:
        here = images.here()
        return images.tree(images.Recipe(here.suite, here.mirror, PACKAGES))

    def _image(self) -> Image:
        return image(self._tree(), network.networkd_file(INTERFACE))


class Qemu(Remote):
    """One virtual machine; its disk is what a power cut leaves."""

    name = "qemu"
    office_address = network.OFFICE
    slowness = 8.0

    def __init__(self, made: Image, scratch: Path) -> None:
        self._image = made
        self._scratch = scratch
        self._disk = Disk(scratch, random.Random(1))
        self._sockets = (scratch / "console", scratch / "qmp")
        self._process: subprocess.Popen[bytes] | None = None
        self._set_at: tuple[float, float] | None = None
        self.settled: list[Settled] = []
        self._camera = Vivid(self)
        self._sensor = UsbSerial(self, scratch / "sensor")
        network.make_switch()
        network.lay_tap(TAP)

    def renew(self) -> None:
        self.off()
        self._disk.copy(self._image.disk)

    def on(self) -> None:
        if self._process is not None:
            return
        for socket in self._sockets:
            socket.unlink(missing_ok=True)
        command = ["qemu-system-x86_64", *MACHINE, *self._options()]
        with (self._scratch / "qemu.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log)
        console, qmp = self._sockets
        self._wait_for(qmp)
        self.qmp = Qmp(qmp)
        self._console = Console(console)
        self.wait_until("systemctl is-system-running --wait | grep -qE 'running|degraded'", BOOT_S)
        self._camera.find()
        self._sensor.find()

    def off(self) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._process = None
        self._console.close()
        self.qmp.close()
        self.settled.append(self._disk.settle())

    def run_there(self, command: str, timeout_s: float, given: bytes) -> tuple[int, bytes]:
        assert self._process is not None, "the board has no power"
        return self._console.run(command, given, timeout_s)

    def cut_link(self) -> None:
        self.qmp.run("set_link", name="nic", up=False)

    def restore_link(self) -> None:
        self.qmp.run("set_link", name="nic", up=True)

    def plug(self, what: str) -> Plug:
        plugs: dict[str, Plug] = {"camera": self._camera, "serial": self._sensor}
        return plugs[what]

    def set_clock(self, unix_s: float) -> None:
        self._set_at = (unix_s, time.monotonic())
        if self._process is not None:
            assert self.sh(f"date --set=@{unix_s:.0f}").rc == 0

    def close(self) -> None:
        self.off()
        self._sensor.end()
        network.ip("link", "delete", TAP)

    def _options(self) -> list[str]:
        sockets = [
            ("-chardev", f"socket,id={path.name},path={path},server=on,wait=off")
            for path in self._sockets
        ]
        return [
            *("-kernel", str(self._image.kernel), "-initrd", str(self._image.initrd)),
            *("-append", KERNEL),
            *("-blockdev", self._disk.blockdev()),
            *("-serial", f"file:{self._scratch / 'kernel.log'}"),
            *(*chain.from_iterable(sockets), "-mon", "chardev=qmp,mode=control"),
            *("-rtc", f"base={self._now()}"),
        ]

    def _now(self) -> str:
        """Return what the board's clock shows: this machine's time, or what it was set to."""
        if self._set_at is None:
            return "utc"
        unix_s, at_s = self._set_at
        shown = datetime.fromtimestamp(unix_s + time.monotonic() - at_s, UTC)
        return shown.strftime("%Y-%m-%dT%H:%M:%S")

    def _wait_for(self, path: Path) -> None:
        deadline_s = time.monotonic() + START_S
        while not path.exists():
            assert self._process is not None
            assert self._process.poll() is None, (self._scratch / "qemu.log").read_text()
            assert time.monotonic() < deadline_s, "QEMU does not start"
            time.sleep(0.01)


class Vivid:
    """A camera that the kernel draws; pulled, its driver lets go of it and its node is gone."""

    source = '{ kind = "camera", device = "/dev/video0", width = 320, height = 180, rate_fps = 5 }'
    _driver = "/sys/bus/platform/drivers/vivid"

    def __init__(self, board: Board) -> None:
        self._board = board
        self._is_in = False

    def insert(self) -> None:
        self._is_in = True
        self.find()

    def find(self) -> None:
        """Have a board that has just got power find it, where it is in."""
        if not self._is_in:
            return
        done = self._board.sh(
            "modprobe vivid n_devs=1 node_types=1 num_inputs=1 input_types=0 && "
            f"{{ test -e {self._driver}/vivid.0 || echo vivid.0 > {self._driver}/bind; }} && "
            "udevadm settle && test -e /dev/video0"
        )
        assert done.rc == 0, done.out

    def pull(self) -> None:
        self._is_in = False
        self._board.sh(f"test ! -e {self._driver}/vivid.0 || echo vivid.0 > {self._driver}/unbind")


class UsbSerial:
    """A sensor on a USB serial adapter; pulled, the adapter is gone from the board's bus."""

    source = SENSOR_SOURCE.format(port="/dev/ttyUSB0")

    def __init__(self, board: Qemu, port: Path) -> None:
        self._board = board
        self._port = port
        self._sensor: subprocess.Popen[bytes] | None = None

    def insert(self) -> None:
        if self._sensor is not None:
            return
        self._sensor = subprocess.Popen([sys.executable, SENSOR, self._port])
        while not self._port.exists():
            assert self._sensor.poll() is None, "the sensor does not start"
            time.sleep(0.01)
        self.find()

    def find(self) -> None:
        """Have a board that has just got power find it, where it is in."""
        if self._sensor is None:
            return
        backend = {"type": "serial", "data": {"device": str(self._port)}}
        self._board.qmp.run("chardev-add", id="sensor", backend=backend)
        self._board.qmp.run(
            "device_add", driver="usb-serial", id="adapter", bus="usb.0", chardev="sensor"
        )
        self._board.wait_until("test -e /dev/ttyUSB0", 30)

    def pull(self) -> None:
        if self._sensor is None:
            return
        self._board.qmp.run("device_del", id="adapter")
        self._board.wait_until("test ! -e /dev/ttyUSB0", 30)
        self._board.qmp.run("chardev-remove", id="sensor")
        self.end()

    def end(self) -> None:
        """End the sensor itself."""
        if self._sensor is not None:
            self._sensor.kill()
            self._sensor.wait()
            self._sensor = None
            self._port.unlink()
