"""The doctor's look at model packs and accelerators."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edge_runtime.board.usb import coral_is_seen
from support.surroundings import ROAD, VILLAGE_ROAD, configuration, found, only, surroundings, tree

CORAL_NEW = {"sys/bus/usb/devices/1-1/idVendor": "1a6e\n",
             "sys/bus/usb/devices/1-1/idProduct": "089a\n"}  # fmt: skip
CORAL_USED = {"sys/bus/usb/devices/2-1/idVendor": "18d1\n",
              "sys/bus/usb/devices/2-1/idProduct": "9302\n"}  # fmt: skip
DELEGATE = '", delegate = "edgetpu" }'


def test_a_pack_that_gives_its_golden_result(tmp_path: Path) -> None:
    twice = ROAD + ROAD.replace('"road"', '"lane"')
    findings = found("model", surroundings(tmp_path, config=configuration(tmp_path, twice)))
    assert [(one.check, one.state) for one in findings] == [
        ("model/road", "ok"),
        ("model/lane", "ok"),
    ]
    assert "golden result" in findings[0].text


def test_weights_that_were_changed(tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    shutil.copytree(VILLAGE_ROAD, pack)
    weights = next(pack.glob("*.tflite"))
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    config = configuration(tmp_path, ROAD.replace(str(VILLAGE_ROAD), str(pack)))
    finding = only("model", surroundings(tmp_path, config=config))
    assert finding.state == "failed"
    assert str(pack) in finding.text
    assert "models pull" in finding.advice


def test_a_pack_that_is_not_there(tmp_path: Path) -> None:
    config = configuration(tmp_path, ROAD.replace(str(VILLAGE_ROAD), "no-such-pack"))
    finding = only("model", surroundings(tmp_path, config=config))
    assert finding.state == "failed"
    assert "no-such-pack" in finding.text


@pytest.mark.parametrize("files", [CORAL_NEW, CORAL_USED, {"dev/apex_0": ""}])
def test_a_coral_is_seen(files: dict[str, str], tmp_path: Path) -> None:
    assert not coral_is_seen(tmp_path / "root")
    assert only("accelerator", surroundings(tmp_path)).state == "skipped"
    other = {"sys/bus/usb/devices/usb1/idVendor": "1d6b", "sys/bus/usb/devices/usb1/idProduct": "2"}
    assert not coral_is_seen(tree(tmp_path / "root", other))
    tree(tmp_path / "root", files)
    assert coral_is_seen(tmp_path / "root")
    assert only("accelerator", surroundings(tmp_path)).state == "ok"


def test_an_accelerator_that_is_used_and_is_not_there(tmp_path: Path) -> None:
    config = configuration(
        tmp_path, ROAD.replace(f'{VILLAGE_ROAD}" }}', f"{VILLAGE_ROAD}{DELEGATE}")
    )
    assert config.streams[0].model_use.accelerator is not None
    around = surroundings(tmp_path, config=config)
    finding = only("accelerator", around)
    assert (finding.check, finding.state) == ("accelerator/road", "failed")
    assert "1a6e:089a" in finding.text
    # The pack itself is good: it is not run on the CPU, for which it may not be made.
    finding = only("model", around)
    assert (finding.state, finding.advice) == ("ok", ""), finding.text
    # A daemon that uses it lets nobody else have it.
    told = {"streams": {"road": {"state": "running", "captured": 7}}}
    held = only("accelerator", surroundings(tmp_path, config=config, daemon=told))
    assert (held.state, held.text.startswith("the running daemon has it")) == ("ok", True)
    tree(tmp_path / "root", CORAL_USED)
    finding = only("accelerator", around)
    assert finding.state == "failed"
    assert "does not run on libedgetpu.so.1" in finding.text
    assert "libedgetpu1-std" in finding.advice
