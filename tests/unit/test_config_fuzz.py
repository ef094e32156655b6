"""Whatever stands in a configuration: it is read, or refused in one line that names the place."""

from __future__ import annotations

import io
import tomllib
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_runtime.cli.check import describe
from edge_runtime.clock import Stamp
from edge_runtime.config import load, parse
from edge_runtime.errors import ConfigError, UsageError
from edge_runtime.options import Config
from edge_runtime.options.recorded import FORMAT, Recorded, read_recorded
from support.fuzzing import SECRET, check_said, each_length, mutated, spoilt, toml_of
from support.paths import ROOT

SHIPPED = [ROOT / "systemd" / "edge-runtime.toml", *(ROOT / "systemd" / "examples").glob("*.toml")]
HEAD = '[device]\nsite = "a"\n[broker]\nurl = "mqtts://b"\n'
STREAM = HEAD + '[[streams]]\nname = "gate"\n'

EVERYTHING: dict[str, Any] = tomllib.loads(
    """
device = { site = "ha-giang", name = "gate-3", time_zone = "Asia/Ho_Chi_Minh" }
modes = { names = ["open", "closed"] }
outbox = { max_mb = 256, commit_interval_s = 5.0, replay_share = 0.25 }
uplink = { daily_mb = 5.0 }
inference = { workers = 2, engine = "litert" }
[broker]
url = "mqtts://broker.example:8883"
server_name = "broker.example"
ca_file = "ca.pem"
cert_file = "ca.pem"
key_file = "ca.pem"
username = "u"
password_file = "ca.pem"
[[streams]]
name = "gate"
source = { kind = "camera", device = "rtsp://guard:hunter2@10.0.0.7/live", rate_fps = 5 }
gate = { kind = "motion", crop = true }
model = { pack = "p", labels = ["person"], delegate = { library = "l.so", options = { a = "b" } } }
track = { max_lost_s = 2.0 }
rate = "adaptive"
active = ["mon-fri 06:00-18:30", "sat 22:00-05:00"]
mask = [[[0.0, 0.0], [0.2, 0.0], [0.2, 0.2]]]
rules = [
  { kind = "zone", name = "yard", polygon = [[0.0, 0.4], [1.0, 0.4], [1.0, 1.0]] },
  { kind = "line", name = "l", start = [0.0, 0.6], end = [1.0, 0.6] },
  { kind = "dwell", name = "d", polygon = [[0.0, 0.4], [1.0, 0.4], [1.0, 1.0]], after_s = 3 },
  { kind = "count", name = "c", active = ["20:00-06:00"], modes = ["closed"] },
]
publish = { mode = "events", encoding = "cbor" }
[[streams]]
name = "clip"
source = { kind = "video", path = "ca.pem" }
gate = { kind = "interval", every_s = 1.0 }
[[streams]]
name = "kept"
source = { kind = "recording", path = "kept" }
[[streams]]
name = "drawn"
source = { kind = "synthetic", seed = 3, faults = [{ at = 3, kind = "hang" }] }
[[streams]]
name = "pump"
source = { kind = "vibration" }
rules = [{ kind = "threshold", name = "t", channel = "acceleration", above = 3.0, below = -3 }]
publish = { dead_band = { acceleration = 0.1 } }
[[streams]]
name = "well"
[streams.source]
kind = "serial"
url = "/dev/ttyUSB0"
framing = { kind = "modbus", registers = [{ name = "level", address = 3, scale = 0.1, min = 0 }] }
[[streams]]
name = "imu"
[streams.source]
kind = "serial"
url = "/dev/ttyUSB1"
framing = { kind = "binary", sync = "aa55", fields = [{ name = "x", unit = "g" }], check = "crc32" }
"""
)

# What was found, each of them once a traceback, a second line, or taken for good.
FOUND = {
    "a name with a line end": STREAM.replace('"gate"', '"gate\\n"'),
    "a broker with a line end": STREAM.replace('"mqtts://b"', '"mqtts://b\\n:1"'),
    "a key of two lines": STREAM + '"a\\nb" = 1',
    "a text of two lines in the message": STREAM + 'source = { kind = "camera", device = "a\\nb://"}',
    "a path with a NUL": STREAM + 'source = { kind = "recording", path = "a\\u0000b" }',
    "a path that is too long": STREAM + f'source = {{ kind = "video", path = "{"a" * 300}" }}',
    "a file name that is too long": HEAD + f'ca_file = "{"a" * 300}"\n[[streams]]\nname = "gate"',
    "no device": STREAM + 'source = { kind = "camera", device = "" }',
    "no URL": STREAM + 'source = { kind = "camera", device = "rtsp://[::1/live" }',
    "arrays without end": "x = " + "[" * 100_000,
    "tables without end": "x = " + "{ a = " * 3_000,
    "keys without end": HEAD + f'ca_file{".a" * 1500} = 1\n[[streams]]\nname = "gate"',
    "digits without end": STREAM + f"track = {{ max_lost_s = {'9' * 5000} }}",
    "bytes without end": "#" * (1 << 20) + "\n" + STREAM,
    "a password in a wrong scheme": STREAM.replace("mqtts://b", f"mqttz://u:{SECRET}@b"),
    "a password without a host": STREAM.replace("mqtts://b", f"mqtts://u:{SECRET}@:1"),
    "a password before the scheme":
        STREAM + f'source = {{ kind = "camera", device = "u:{SECRET}@rtsp://b" }}',
    "two values of one name":
        STREAM + 'source = { kind = "serial", url = "x", framing = { kind = "lines", '
        'columns = [{ name = "a" }, { name = "a" }] } }',
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the files that the configuration names."""
    made = tmp_path_factory.mktemp("configuration")
    (made / "ca.pem").touch()
    (made / "kept").mkdir()
    (made / "kept" / "recording.json").write_bytes(msgspec.json.encode(KEPT))
    return made


KEPT = Recorded(FORMAT, "1", "gate", "camera", "pictures", Stamp(1.0, 2.0), width=64, height=48)


def taken(file: Path) -> Config | None:
    """Read a file and hold an error to what errors are."""
    before = sorted(file.parent.rglob("*"))
    try:
        return load(file)
    except ConfigError as error:
        check_said(error, file)
        return None
    finally:
        assert sorted(file.parent.rglob("*")) == before


def check_runs(config: Config, file: Path) -> None:
    """Assert that what would run is printed, a line a thing, and the same when it is read again."""
    told = io.StringIO()
    with redirect_stdout(told):
        describe(config, {}, workers=1)
    assert len(told.getvalue().splitlines()) == 3 + len(config.streams)
    tables = without_unset(msgspec.to_builtins(config, enc_hook=str))
    for key in ("folder", "state_dir", "inline_secrets"):
        tables.pop(key, None)
    assert parse(tomllib.loads(toml_of(tables)), file) == config
    assert SECRET not in told.getvalue() or not any(
        f"://guard:{SECRET}@" in str(getattr(stream.source, "device", ""))
        for stream in config.streams
    )


def without_unset(value: Any) -> Any:
    """Leave out what is not set: TOML has no word for it."""
    if isinstance(value, dict):
        return {key: without_unset(one) for key, one in value.items() if one is not None}
    return [without_unset(one) for one in value] if isinstance(value, list | tuple) else value


@pytest.mark.parametrize("what", FOUND)
def test_what_was_found_is_refused_in_one_line(what: str, tmp_path: Path) -> None:
    file = tmp_path / "edge-runtime.toml"
    file.write_text(FOUND[what])
    assert taken(file) is None


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    file = tmp_path / "edge-runtime.toml"
    file.write_text("\ufeff" + STREAM)
    assert taken(file) is not None


def test_the_whole_configuration_runs_as_it_stands(folder: Path) -> None:
    file = folder / "edge-runtime.toml"
    file.write_text(toml_of(EVERYTHING))
    check_runs(load(file), file)


@each_length(120, 5_000)
def test_any_change_of_the_tables_is_taken_or_refused_well(folder: Path, count: int) -> None:
    file = folder / "edge-runtime.toml"

    @settings(max_examples=count, suppress_health_check=list(HealthCheck))
    @given(mutated(EVERYTHING))
    def holds(tables: dict[str, Any]) -> None:
        file.write_text(toml_of(tables))
        if (config := taken(file)) is not None:
            check_runs(config, file)

    holds()


@each_length(25, 1_000)
@pytest.mark.parametrize("shipped", SHIPPED, ids=lambda path: path.name)
def test_any_damage_of_a_shipped_file_is_taken_or_refused_well(
    folder: Path, shipped: Path, count: int
) -> None:
    file = folder / "edge-runtime.toml"

    @settings(max_examples=count, suppress_health_check=list(HealthCheck))
    @given(spoilt(shipped.read_bytes()))
    def holds(data: bytes) -> None:
        file.write_bytes(data)
        taken(file)

    holds()


@each_length(50, 2_000)
def test_any_bytes_are_refused_well(folder: Path, count: int) -> None:
    file = folder / "edge-runtime.toml"

    @settings(max_examples=count)
    @given(
        st.binary(max_size=300) | st.text(max_size=300).map(lambda t: t.encode("utf-8", "replace"))
    )
    def holds(data: bytes) -> None:
        file.write_bytes(data)
        assert taken(file) is None

    holds()


@each_length(50, 2_000)
def test_a_recording_is_read_or_refused_well(
    tmp_path_factory: pytest.TempPathFactory, count: int
) -> None:
    kept = tmp_path_factory.mktemp("kept")
    good = msgspec.json.encode(KEPT)

    @settings(max_examples=count)
    @given(st.binary(max_size=200) | spoilt(good))
    def holds(data: bytes) -> None:
        (kept / "recording.json").write_bytes(data)
        try:
            assert isinstance(read_recorded(kept), Recorded)
        except UsageError as error:
            check_said(error, kept)

    for found in (b'{"x":' + b"[" * 100_000, good.replace(b"pictures", b"a\\nb"), b'{"\xff":1}'):
        holds.hypothesis.inner_test(found)  # type: ignore[attr-defined]
    holds()
