"""Alarms over restarts of the daemon, and values to their last digit, from the wire to a broker."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.daemon import STOP_S, Daemon, Ear, without_duplicates
from support.serial_device import SerialDevice, repeating, sentence

WELL = """
[[streams]]
name = "well"
rules = [{{ kind = "threshold", name = "flood", channel = "level", above = 3.0 }}]
publish = {{ heartbeat_s = 0.2 }}
[streams.source]
kind = "serial"
url = "{url}"
framing = {{ kind = "lines", columns = [{{ name = "level", unit = "m" }}] }}
"""


@pytest.fixture
def device(tmp_path: Path) -> Iterator[SerialDevice]:
    with SerialDevice(tmp_path) as made:
        yield made


def events(ear: Ear) -> list[Any]:
    return without_duplicates(ear.of("event"))


def turns(ear: Ear) -> list[str]:
    return [one["event"] for one in events(ear)]


def births(ear: Ear) -> int:
    return sum(one["state"] == "online" for one in ear.of("status"))


def wait_for_level(ear: Ear, level: float) -> None:
    """Wait for a reading of the daemon that was born last."""
    born = [one.kind == "status" and one.payload["state"] == "online" for one in ear.heard]
    begun = len(born) - born[::-1].index(True)

    def is_read(ear: Ear) -> bool:
        new = ear.heard[begun:]
        return any(one.kind == "reading" and one.payload[0]["v"] == level for one in new)

    ear.wait_for(is_read)


def test_an_alarm_that_lasts_is_told_once_and_cleared_whatever_restarts_between(
    device: SerialDevice, daemon: Callable[..., Daemon], ear: Ear
) -> None:
    run = daemon(WELL.format(url=device.path))
    level = 3.5
    with repeating(lambda _: device.write(f"{level}\n".encode()), every_s=0.02):
        process = run.start()
        ear.wait_for(lambda ear: turns(ear) == ["alarm"])
        process.kill()
        process.wait(STOP_S)
        process = run.start()
        ear.wait_for(lambda ear: births(ear) == 2)
        wait_for_level(ear, 3.5)
        process.send_signal(signal.SIGHUP)
        ear.wait_for(lambda ear: births(ear) == 3)
        wait_for_level(ear, 3.5)
        assert run.stop() == 0
        assert turns(ear) == ["alarm"]
        level = 1.5  # it ends while nobody looks
        run.start()
        ear.wait_for(lambda ear: turns(ear) == ["alarm", "clear"])
        assert run.stop() == 0
    alarm, clear = events(ear)
    assert (clear["rule"], clear["value"]) == ("flood", 1.5)
    assert (alarm["boot"], clear["boot"]) == (1, 3)
    if "clock" not in clear:  # without a clock that is set nobody knows how long it took
        assert clear["since"] == pytest.approx(alarm["ts"], abs=0.005)
    assert "Traceback" not in run.text()


EXACT = """
[[streams]]
name = "boat"
publish = {{ mode = "every_inference" }}
[streams.source]
kind = "serial"
url = "{boat}"
framing = {{ kind = "nmea", values = ["latitude", "longitude", "altitude"] }}
[[streams]]
name = "meter"
publish = {{ mode = "every_inference" }}
[streams.source]
kind = "serial"
url = "{meter}"
[streams.source.framing]
kind = "lines"
format = "json"
columns = [
  {{ name = "energy", unit = "Wh" }},
  {{ name = "volume", unit = "m3", at = "pulses", scale = 0.001 }},
]
"""


def test_a_position_and_a_counter_keep_their_last_digit_up_to_the_broker(
    tmp_path: Path, daemon: Callable[..., Daemon], ear: Ear
) -> None:
    (tmp_path / "boat").mkdir()
    (tmp_path / "meter").mkdir()
    with SerialDevice(tmp_path / "boat") as boat, SerialDevice(tmp_path / "meter") as meter:

        def step(_number: int) -> None:
            fix = "GNGGA,123519,2101.2345678,N,10550.5929302,E,4,12,0.6,11.125,M,,M,,"
            boat.write(sentence(fix))
            meter.write(b'{"energy": 123456789012, "pulses": 987654321098}\n')

        run = daemon(EXACT.format(boat=boat.path, meter=meter.path))
        with repeating(step, every_s=0.02):
            run.start()
            ear.wait_for(lambda ear: len(streams(ear)) == 2)
            assert run.stop() == 0
    told = {name: [one["v"] for one in pack] for name, pack in streams(ear).items()}
    # 1.2345678' and 50.5929302' are 0.02057613 and 0.84321550 degrees.
    assert told == {"boat": [21.02057613, 105.8432155, 11.125],
                    "meter": [123456789012, 987654321.098]}  # fmt: skip
    raw = b"".join(one.payload for one in ear.raw)
    for text in (b"21.02057613,", b"105.8432155,", b"123456789012.0,", b"987654321.098,"):
        assert text in raw


def streams(ear: Ear) -> dict[str, Any]:
    return {pack[0]["bn"].split("/")[2]: pack for pack in ear.of("reading")}
