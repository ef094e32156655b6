"""`learn` at a serial port, and the daemon that is held to what was learnt."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

from support.daemon import Daemon, Ear, command
from support.paths import ROOT
from support.pump import Pump, pump_stream
from support.serial_device import SerialDevice, repeating

OUT_OF_REACH = 0.001  # limits that no fault of the recording played here stays below


def quick_pack(folder: Path) -> str:
    """Return a copy of the pack that gives 62 windows a second: learning takes seconds."""
    shutil.copytree(ROOT / "models" / "bearing-vibration", folder)
    manifest = folder / "pack.toml"
    manifest.write_text(manifest.read_text().replace("hop = 1024", "hop = 128"))
    return str(folder)


def learn(run: Daemon, *options: str, stream: str = "pump") -> tuple[int, str, str]:
    done = command("learn", "--config", str(run.config), "--stream", stream,
                   "--state-dir", str(run.state), *options)  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr.splitlines()[-1] if done.stderr else ""


def test_a_pump_is_learnt_on_site_and_its_fault_alarms_by_that_alone(
    data: Path, tmp_path: Path, daemon: Callable[..., Daemon], ear: Ear
) -> None:
    with SerialDevice(tmp_path) as device:
        run = daemon(pump_stream(device, quick_pack(tmp_path / "pack"), OUT_OF_REACH))
        pump = Pump(data, device, "outer_race_014_load0")
        with repeating(pump.step, every_s=0.005):
            status, said, _ = learn(run, "--minutes", "0.04", "--yes")
            assert status == 0, said
            assert "channel healthy of bearing-vibration@36f364ed" in said
            told = json.loads((run.state / "baselines" / "pump.json").read_bytes())
            assert told["windows"] >= 100
            assert OUT_OF_REACH < told["limits"]["below"]["limit"] < told["quantiles"]["0.01"]

            process = run.start()
            ear.wait_for(lambda ear: "classification" in ear.kinds())
            shown = command("status", "--state-dir", str(run.state)).stdout
            assert f"baseline of {told['date'][:10]}" in shown
            status, _, error = learn(run)
            assert status == 1
            assert "holds its port; run `systemctl stop edge-runtime`" in error
            assert ear.of("event") == []
            pump.broken.set()
            ear.wait_for(lambda ear: bool(ear.of("event")))

            state = ("--state-dir", str(run.state))
            checked = command("check", "--config", str(run.config), *state)
            assert f"baseline pump: of {told['date'][:10]}" in checked.stdout
            shown = command("learn", "--show", *state).stdout
            assert f"from {told['windows']} values" in shown
            status, said, _ = learn(run, "--forget")
            assert (status, "forgotten" in said) == (0, True)
            process.send_signal(signal.SIGHUP)
            ear.wait_for(lambda ear: births(ear) == 2)
            assert run.text().count("baseline of") == 1, "the first session's alone"
        assert run.stop() == 0
    assert ear.of("event")[0]["event"] == "alarm"


def births(ear: Ear) -> int:
    return sum(one["state"] == "online" for one in ear.of("status"))


MACHINE = """
[device]
site = "test"
[broker]
url = "mqtt://127.0.0.1:1"
[[streams]]
name = "mill"
source = { kind = "vibration", realtime = false }
model = { pack = "bearing-vibration" }
rules = [{ kind = "threshold", name = "bearing", channel = "healthy", below = 0.2 }]
"""


def test_what_speaks_against_a_baseline_needs_a_yes(tmp_path: Path) -> None:
    run = Daemon(tmp_path, MACHINE)
    assert learn(run, "--minutes", "0.4", stream="mill")[0] == 0
    first = (run.state / "baselines" / "mill.json").read_bytes()
    status, said, error = learn(run, "--minutes", "0.4", stream="mill")
    assert status == 1
    assert error.endswith("nothing was written: run it again with --yes to accept that")
    assert "note: it replaces what was learnt before" in said
    assert (run.state / "baselines" / "mill.json").read_bytes() == first

    status, _, error = learn(run, stream="mil")
    assert (status, error.endswith("no stream 'mil'; there are mill")) == (2, True)
