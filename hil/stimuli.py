"""What is plugged into boards: a network camera, a sensor behind a pty, anything with a switch."""

from __future__ import annotations

import subprocess
from pathlib import Path

from hil.board import Board
from support.broker import free_port
from support.rtsp_camera import RtspCamera

SENSOR = Path(__file__).with_name("pty_sensor.py")
SENSOR_PORT = "/dev/ttyHIL0"
SENSOR_SOURCE = (
    '{{ kind = "serial", url = "{port}", stale_after_s = 3.0, framing = '
    '{{ kind = "lines", columns = [{{ name = "level", unit = "m" }}] }} }}'
)


class RtspPlug:
    """A network camera on the office's side; pulled, its address answers nobody."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._port = free_port()
        self._camera: RtspCamera | None = None
        self.source = (
            f'{{ kind = "camera", device = "rtsp://{address}:{self._port}/yard", '
            "rate_fps = 5, open_timeout_s = 2.0, read_timeout_s = 2.0 }"
        )

    def insert(self) -> None:
        if self._camera is None:
            self._camera = RtspCamera(address=self._address, port=self._port).__enter__()

    def pull(self) -> None:
        if self._camera is not None:
            self._camera.__exit__(None, None, None)
            self._camera = None


class SerialPlug:
    """A sensor that speaks lines, behind a pty on the board; pulled, the port is gone."""

    source = SENSOR_SOURCE.format(port=SENSOR_PORT)

    def __init__(self, board: Board) -> None:
        self._board = board

    def insert(self) -> None:
        self._board.put(SENSOR, "/run/hil/pty_sensor.py")
        started = self._board.sh(
            "systemctl is-active --quiet hil-sensor || "
            "systemd-run --quiet --collect --unit=hil-sensor "
            f"python3 /run/hil/pty_sensor.py {SENSOR_PORT}"
        )
        assert started.rc == 0, started.out

    def pull(self) -> None:
        self._board.sh(f"systemctl kill --signal=KILL hil-sensor; rm -f {SENSOR_PORT}")


class SwitchPlug:
    """A device behind a switch that two commands on this machine turn on and off."""

    def __init__(self, source: str, insert: str, pull: str) -> None:
        self.source = source
        self._insert = insert
        self._pull = pull

    def insert(self) -> None:
        subprocess.run(["sh", "-c", self._insert], check=True, timeout=60)

    def pull(self) -> None:
        subprocess.run(["sh", "-c", self._pull], check=True, timeout=60)
