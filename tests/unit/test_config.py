"""The configuration file: what it means, and one line for each way to get it wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_runtime.config import load
from edge_runtime.errors import ConfigError
from edge_runtime.options import CameraOptions, MotionOptions, host_level

GOOD = """
[device]
site = "ha-giang"
[broker]
url = "mqtts://broker.example:8883"
[[streams]]
name = "gate"
"""

CONTRACT = """
[device]
site = "ha-giang"
name = "gate-3"
[broker]
url = "mqtts://broker.ha-giang.example:8883"
ca_file = "ca.pem"
[outbox]
max_mb = 256
commit_interval_s = 5.0
[[streams]]
name = "gate"
source = { kind = "camera", device = "/dev/video0", width = 1280, height = 720, rate_fps = 10 }
gate   = { kind = "motion" }
model  = { pack = "coco-ssd-mobilenet-v1", min_score = 0.5, labels = ["person"] }
track  = { max_lost_s = 2.0 }
rules  = [
  { kind = "zone", name = "yard", polygon = [[0.0, 0.4], [1.0, 0.4], [1.0, 1.0], [0.0, 1.0]] },
  { kind = "line", name = "gate-line", start = [0.0, 0.6], end = [1.0, 0.6] },
]
publish = { mode = "events", encoding = "cbor" }
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "edge.toml"
    file.write_text(text)
    return file


def test_the_documented_example_is_read_with_its_paths_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("x")
    config = load(write(tmp_path, CONTRACT))
    assert config.broker.ca_file == tmp_path / "ca.pem"
    stream = config.streams[0]
    assert stream.source == CameraOptions("/dev/video0", 1280, 720, 10)
    assert stream.gate == MotionOptions()
    assert [rule.name for rule in stream.rules] == ["yard", "gate-line"]


def test_everything_that_is_not_needed_has_a_default(tmp_path: Path) -> None:
    config = load(write(tmp_path, GOOD))
    assert config.device.level == host_level(__import__("socket").gethostname())
    assert (config.outbox.max_mb, config.outbox.commit_interval_s) == (256.0, 5.0)
    assert config.streams[0].publish.mode == "events"
    assert config.streams[0].publish.encoding == "json"


def test_the_shipped_example_is_good() -> None:
    root = Path(__file__).resolve().parent.parent.parent
    assert load(root / "systemd" / "edge-runtime.toml").streams[0].name == "gate"


def with_broker(*lines: str) -> str:
    """Return a good text with further lines in [broker]."""
    return GOOD.replace("[[streams]]", "\n".join([*lines, "[[streams]]"]))


# What is wrong, and what is said of it, beside what stands in tests/cases/config.
WRONG = [
    (GOOD.replace("mqtts://broker.example:8883", "discover"), "broker.ca_file: missing beside url"),
    (with_broker('identity = "provisioned"'), "broker.server_name: missing beside identity"),
    (
        with_broker('identity = "provisioned"', 'server_name = "b"', 'key_file = "x"'),
        'broker.key_file: remove it beside identity = "provisioned"',
    ),
    (
        with_broker('server_name = "b"').replace("mqtts:", "mqtt:"),
        "broker.url: without TLS nobody proves who he is",
    ),
    (with_broker('identity = "borrowed"'), "broker.identity: 'borrowed' is not known; one of"),
    (
        with_broker('server_name = "a b"'),
        "broker.server_name: expected the broker's host name or address",
    ),
    (
        with_broker('identity = "provisioned"').replace("mqtts://broker.example:8883", "discover"),
        'broker.server_name: missing beside url = "discover"',
    ),
]


def test_a_provisioned_device_may_look_for_its_broker(tmp_path: Path) -> None:
    text = with_broker('identity = "provisioned"', 'server_name = "broker.example"')
    for url in ("mqtts://10.0.0.1", "discover"):
        broker = load(write(tmp_path, text.replace("mqtts://broker.example:8883", url))).broker
        assert (broker.identity, broker.server_name) == ("provisioned", "broker.example")


@pytest.mark.parametrize(("text", "said"), WRONG, ids=[said[:40] for _, said in WRONG])
def test_what_is_wrong_is_said_in_one_line_with_its_place(
    tmp_path: Path, text: str, said: str
) -> None:
    file = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert str(caught.value).startswith(f"{file}: line ")
    assert any(said in fault for fault in caught.value.faults)
    assert "\n" not in str(caught.value)


def test_the_error_s_own_text_is_the_first_fault_and_how_many_more(tmp_path: Path) -> None:
    file = write(tmp_path, GOOD.replace("ha-giang", "Hà Giang") + "fps = 1\nnam = 1\n")
    with pytest.raises(ConfigError) as caught:
        load(file)
    first, *more = caught.value.faults
    assert len(more) == 2
    assert str(caught.value) == f"{first} (and 2 more: `edge-runtime check` shows all)"


def test_a_file_that_is_not_there_or_no_text_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no such file; name one with --config"):
        load(tmp_path / "none.toml")
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8 text"):
        load(binary)
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)
