"""The doctor's look at model packs and accelerators."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.board.usb import coral_node
from edge_runtime.doctor.configuration import look_around
from edge_runtime.language import Language
from support.delegates import build_library
from support.surroundings import (
    HEAD,
    ROAD,
    VILLAGE_ROAD,
    configuration,
    found,
    only,
    surroundings,
    tree,
)

CORAL_NEW = {"sys/bus/usb/devices/1-1/idVendor": "1a6e\n",
             "sys/bus/usb/devices/1-1/idProduct": "089a\n",
             "sys/bus/usb/devices/1-1/busnum": "1\n",
             "sys/bus/usb/devices/1-1/devnum": "2\n"}  # fmt: skip
CORAL_USED = {"sys/bus/usb/devices/2-1/idVendor": "18d1\n",
              "sys/bus/usb/devices/2-1/idProduct": "9302\n",
              "sys/bus/usb/devices/2-1/busnum": "2\n",
              "sys/bus/usb/devices/2-1/devnum": "13\n"}  # fmt: skip
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
    good, bad = ROAD, ROAD.replace('"road"', '"lane"').replace(str(VILLAGE_ROAD), str(pack))
    context = surroundings(tmp_path, config=configuration(tmp_path, good + bad))
    finding = found("model", context)[1]
    assert (finding.check, finding.state) == ("model/lane", "failed")
    assert "streams[1].model.pack" in finding.text
    # A folder comes from nowhere that `models pull` knows.
    assert "copy this file again from where the pack was made" in finding.text
    assert "models pull" not in finding.text + finding.advice


def test_weights_of_the_catalogue_that_were_not_pulled(tmp_path: Path) -> None:
    config = configuration(tmp_path, ROAD.replace(str(VILLAGE_ROAD), "vww-96"))
    finding = only("model", surroundings(tmp_path, config=config))
    assert "sudo edge-runtime models pull vww-96" in finding.advice


def test_a_label_that_is_not_the_pack_s_is_not_got_again(tmp_path: Path) -> None:
    config = configuration(tmp_path, ROAD.replace("model = {", 'model = { labels = ["Person"],'))
    context = surroundings(tmp_path, config=config)
    assert "models pull" not in only("model", context).advice


def test_weights_that_are_missing_are_no_fault_of_the_file(tmp_path: Path) -> None:
    for name, advice in (("vww-96", "see the check model"), ("no-such-pack", "Correct the file")):
        file = tmp_path / "edge-runtime.toml"
        stream = ROAD.replace(str(VILLAGE_ROAD), name)
        file.write_text(HEAD.format(url="mqtt://127.0.0.1:1", broker="") + stream)
        context = look_around(file, tmp_path / "state", Language("en"))
        (finding,) = found("configuration", context)
        assert finding.state == "failed"
        assert advice in finding.advice


def test_a_pack_that_is_not_there(tmp_path: Path) -> None:
    config = configuration(tmp_path, ROAD.replace(str(VILLAGE_ROAD), "no-such-pack"))
    finding = only("model", surroundings(tmp_path, config=config))
    assert finding.state == "failed"
    assert "no-such-pack" in finding.text


@pytest.mark.parametrize(
    ("files", "node"),
    [
        (CORAL_NEW, "dev/bus/usb/001/002"),
        (CORAL_USED, "dev/bus/usb/002/013"),
        ({"dev/apex_0": ""}, "dev/apex_0"),
    ],
)
def test_a_coral_is_seen(files: dict[str, str], node: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    assert coral_node(root) is None
    assert only("accelerator", surroundings(tmp_path)).state == "skipped"
    other = {"sys/bus/usb/devices/usb1/idVendor": "1d6b", "sys/bus/usb/devices/usb1/idProduct": "2"}
    assert coral_node(tree(root, other)) is None
    tree(root, files)
    assert coral_node(root) == root / node
    assert only("accelerator", surroundings(tmp_path)).state == "ok"


def test_an_accelerator_that_is_used_and_is_not_there(tmp_path: Path) -> None:
    config = configuration(
        tmp_path, ROAD.replace(f'{VILLAGE_ROAD}" }}', f"{VILLAGE_ROAD}{DELEGATE}")
    )
    assert config.streams[0].model_use.accelerator is not None
    context = surroundings(tmp_path, config=config)
    finding = only("accelerator", context)
    assert (finding.check, finding.state) == ("accelerator/road", "failed")
    assert "1a6e:089a" in finding.text
    # The pack itself is good: it is not run on the CPU, for which it may not be made.
    finding = only("model", context)
    assert (finding.state, finding.advice) == ("ok", ""), finding.text
    # A daemon that uses it lets nobody else have it.
    told: dict[str, Any] = {"streams": {"road": {"state": "running", "captured": 7}}}
    held = only("accelerator", surroundings(tmp_path, config=config, daemon=told))
    assert (held.state, "nothing is measured" in held.text) == ("skipped", True)
    measured = {"library": "libedgetpu.so.1", "nodes": 64, "nodes_taken": 61, "partitions": 2}
    told["streams"]["road"]["accelerator"] = {**measured, "macs_share": 1.0}
    held = only("accelerator", surroundings(tmp_path, config=config, daemon=told))
    assert (held.state, held.text) == (
        "ok",
        "the running daemon has it: libedgetpu.so.1 took 61 of 64 operators, 100 % of the "
        "multiply-adds",
    )
    tree(tmp_path / "root", CORAL_USED)
    finding = only("accelerator", context)
    assert finding.state == "failed"
    assert "does not run on libedgetpu.so.1" in finding.text
    assert "libedgetpu1-std" in finding.advice


def test_an_accelerator_that_takes_nothing_is_said_in_either_language(tmp_path: Path) -> None:
    library = build_library(tmp_path / "libnone.so", takes=0)
    delegate = f'", delegate = {{ library = "{library}" }} }}'
    text = ROAD.replace(f'{VILLAGE_ROAD}" }}', f"{VILLAGE_ROAD}{delegate}")
    config = configuration(tmp_path, text)
    finding = only("accelerator", surroundings(tmp_path, config=config))
    assert finding.state == "failed"
    assert "libnone.so took 0 of 46 operators, 0 % of the multiply-adds" in finding.text
    assert "libedgetpu" not in finding.advice
    finding = only("accelerator", surroundings(tmp_path, config=config, lang="vi"))
    assert "libnone.so nhận 0 trên 46 toán tử" in finding.text
