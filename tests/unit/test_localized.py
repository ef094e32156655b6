"""What goes wrong on a board, said in Vietnamese, whatever stage it comes from."""

from __future__ import annotations

import errno
import os
import pickle
from pathlib import Path

import pytest
from click.testing import CliRunner

from edge_runtime.broker.reasons import BROKER_SAYS, LinkError, dismissed, refused
from edge_runtime.cli.provision import provision
from edge_runtime.clock import SystemClock
from edge_runtime.config import load
from edge_runtime.errors import (
    EdgeError,
    PackError,
    RawText,
    SourceError,
    Text,
    because,
    located,
    row,
)
from edge_runtime.framing.causes import Cause, LineErrors, another_protocol, counted
from edge_runtime.framing.modbus_causes import no_answer
from edge_runtime.framing.rows import FramingCounts, Reason
from edge_runtime.framing.silence import Silence
from edge_runtime.language import SYSTEM_SAYS
from edge_runtime.options import CameraOptions
from edge_runtime.packs.manifest_file import open_pack
from edge_runtime.packs.store import PackStore
from edge_runtime.publish.dialer import by_address, together
from edge_runtime.sources import open_source
from edge_runtime.sources.ports import PortError
from support.broker import free_port
from support.localized import VI, in_vietnamese, raised, sent, untranslated
from support.pack_files import make_pack
from support.sensors import lines_at
from support.serial_device import sentence
from support.surroundings import HEAD, ROAD, VILLAGE_ROAD, configuration, only, surroundings

METER = """
[[streams]]
name = "meter"
source = { kind = "serial", url = "loop://", stale_after_s = 0.2, \
framing = { kind = "lines", columns = [{ name = "level" }] } }
"""
GATE = f"""
[[streams]]
name = "gate"
source = {{ kind = "camera", device = "/dev/no-camera" }}
model = {{ pack = "{VILLAGE_ROAD}" }}
"""
CLOCK = SystemClock()
LOOK_AT_PROBE = Cause(Text("empty"), Text("look at the probe, and at min and max"))


# What is made of what


def test_a_reason_within_a_reason_is_said_too() -> None:
    inner = SourceError("{path} is not a camera; {advice}", path="/x", advice=Text("is not there"))
    outer = PackError(located("pack.toml", inner))
    assert str(outer) == "pack.toml: /x is not a camera; is not there"
    assert outer.localized(VI) == "pack.toml: /x không phải là camera; không có ở đó"
    assert VI.text("{url}: {reason}", url="u", reason=outer) == f"u: {outer.localized(VI)}"


def test_a_finished_text_is_taken_as_it_is_braces_and_all() -> None:
    error = EdgeError("{not} a place")
    assert str(error) == error.localized(VI) == "{not} a place"
    assert str(EdgeError()) == EdgeError().localized(VI) == ""


def test_values_write_no_lines_of_their_own() -> None:
    error = EdgeError("{path}: cannot be read ({reason})", path="a\nb", reason="c\x1b[0m")
    assert str(error) == r"a\nb: cannot be read (c\x1b[0m)"
    assert error.localized(VI) == r"a\nb: không đọc được (c\x1b[0m)"


def test_an_error_is_told_elsewhere_as_it_was() -> None:
    error = refused(0x86)
    for copy in (pickle.loads(pickle.dumps(error)), by_address(error, "b:1883")):
        assert isinstance(copy, LinkError)
        assert copy.code == 0x86
        assert "mật khẩu" in copy.localized(VI)
    assert type(str(error)) is str, "it goes into JSON"


def test_reasons_in_a_row_are_said_one_by_one() -> None:
    errors = [by_address(dismissed(code), f"b{code}:1") for code in sorted(BROKER_SAYS)[:4]]
    all_together = together(errors)
    assert str(all_together) == "; ".join([*map(str, errors[:3]), "and 1 more"])
    said = [error.localized(VI) for error in errors[:3]]
    assert in_vietnamese(all_together) == "; ".join([*said, "và 1 lý do khác"])
    assert row([], ", ") == ""


def test_what_the_system_says_is_what_this_system_says() -> None:
    known = {text.lower() for text in SYSTEM_SAYS}
    for number in (errno.ENOENT, errno.EACCES, errno.ENOSPC, errno.EROFS, errno.EIO, errno.EBUSY):
        assert os.strerror(number).lower() in known
        assert untranslated(because(OSError(number, os.strerror(number)))) == []


def test_a_foreign_program_s_words_stay_as_they_are() -> None:
    for words in ("Quota: come back; tomorrow", "", "a {strange} one", "it is busy"):
        assert RawText(words).localized(VI) == words
        assert sent(RawText(words)).localized(VI) == words


# Cameras and sensors


@pytest.mark.parametrize(
    "device", ["/dev/no-camera", "/dev/null", "/etc/hostname", "rtsp://127.0.0.1:{port}/live"]
)
def test_cameras(device: str) -> None:
    source = open_source(CameraOptions(device.format(port=free_port())), CLOCK)
    in_vietnamese(raised(SourceError, source.open))


@pytest.mark.parametrize("url", ["/dev/no-port", "/dev/null", "socket://127.0.0.1:{port}"])
def test_serial_ports(url: str) -> None:
    source = open_source(lines_at(url.format(port=free_port())), CLOCK)
    error = raised(SourceError, source.open)
    if "Could not open" in str(error):  # pyserial's own words stay
        assert error.localized(VI).startswith(f"{url.format(port='')[:12]}")
        assert "kiểm tra url, " in error.localized(VI)
    else:
        in_vietnamese(error)


@pytest.mark.parametrize(
    ("bad", "size", "found"),
    [
        ({}, 0, None), ({}, 12, None), ({"checksum": 3, "parse": 1}, 12, None),
        ({}, 0, LOOK_AT_PROBE), ({}, 12, counted(LineErrors(framing=3))),
        ({}, 12, another_protocol(sentence("GPGSV,1,1,00"), "lines")),
        ({"unanswered": 2}, 0, no_answer(b"", (b"asked",), 1, baud=9600)),
    ],
)  # fmt: skip
def test_sensors_that_are_silent(bad: dict[Reason, int], size: int, found: Cause | None) -> None:
    tally = FramingCounts()
    silence = Silence(tally, 3.0)
    tally.bad.update(bad)
    assert silence.is_broken(size, 4.0)
    error = PortError("/dev/ttyUSB0", silence.explain(found))
    assert "3 giây" in error.localized(VI)
    assert untranslated(error) == []


def test_a_sensor_that_the_doctor_listens_to(tmp_path: Path) -> None:
    context = surroundings(tmp_path, lang="vi", config=configuration(tmp_path, METER), clock=CLOCK)
    finding = only("serial", context)
    assert finding.state == "failed"
    assert finding.text == "loop://: không nhận được gì trong 0.2 giây, dù chỉ một byte"
    assert finding.advice == (
        "Kiểm tra nguồn của cảm biến, và TX của cảm biến nối vào RX của bo mạch."
    )


# Model packs and the configuration


def test_packs(tmp_path: Path) -> None:
    folder = make_pack(tmp_path, with_weights=True)
    (folder / "weights.tflite").write_bytes(b"damaged")
    assert "bị hỏng" in in_vietnamese(raised(PackError, lambda: open_pack(folder)))
    (folder / "labels.txt").write_text("a\n\nb\n")
    assert "dòng 2 trống" in in_vietnamese(raised(PackError, lambda: open_pack(folder)))
    (folder / "pack.toml").write_text((folder / "pack.toml").read_text() + "\nodd = 1\n")
    assert "không có tùy chọn này" in in_vietnamese(raised(PackError, lambda: open_pack(folder)))
    store = PackStore(tmp_path / "state", tmp_path)
    for name in ("toyy", "./nowhere"):
        in_vietnamese(raised(PackError, lambda name=name: store.find(name, tmp_path)))


def test_a_damaged_pack_that_the_doctor_finds(tmp_path: Path) -> None:
    folder = make_pack(tmp_path, with_weights=True)
    (folder / "weights.tflite").write_bytes(b"damaged")
    stream = ROAD.replace(str(VILLAGE_ROAD), str(folder))
    context = surroundings(tmp_path, lang="vi", config=configuration(tmp_path, stream))
    finding = only("model", context)
    assert f"{folder}/weights.tflite: bị hỏng hoặc là mô hình khác: SHA-256" in finding.text
    assert "chép lại tệp này từ nơi làm ra gói mô hình" in finding.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x", "tùy chọn cần có giá trị"),
        ("[device]\nsite = 1", "chữ phải đặt trong dấu nháy"),
        ("[odd]", "không có tùy chọn này"),
        (HEAD.format(url="mqtts://b", broker='ca_file = "lost"') + ROAD, "không có ở đó"),
        (HEAD.format(url="discover", broker="") + ROAD, "phải chứng minh danh tính"),
        (HEAD.format(url="http://b", broker="") + ROAD, "không đúng dạng"),
        (HEAD.format(url="mqtt://b", broker="") + ROAD.replace("synthetic", "odd"), "một trong"),
        (HEAD.format(url="mqtt://b", broker="") + ROAD + ROAD, "các tên phải khác nhau"),
        (HEAD.format(url="mqtt://b", broker=r'username = "\u0007"') + ROAD, "ký tự điều khiển"),
    ],
)
def test_configurations(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "edge-runtime.toml"
    file.write_text(text)
    error = raised(EdgeError, lambda: load(file))
    assert untranslated(error) == []
    assert said in error.localized(VI)
    assert error.localized(VI).startswith(f"{file}: ")


# The commands


@pytest.mark.parametrize(
    ("lang", "said"), [("vi", "bị thiếu hoặc gõ sai"), ("en", "cut short or mistyped")]
)
def test_what_ends_a_command_is_said_in_the_language_asked_for(lang: str, said: str) -> None:
    arguments = ["--claim", "-", "--lang", lang]
    done = CliRunner().invoke(provision, arguments, input="edge-claim-1:AAAA")
    assert done.exit_code == 2
    assert done.stderr.startswith("edge-runtime: ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_what_the_running_daemon_says_is_told_again(tmp_path: Path) -> None:
    error = raised(SourceError, open_source(CameraOptions("/dev/no-camera"), CLOCK).open)
    told = {"state": "degraded", "reason": sent(error.text), "captured": 0, "restarts": 3}
    context = surroundings(
        tmp_path,
        lang="vi",
        config=configuration(tmp_path, GATE),
        daemon={"streams": {"gate": told}, "pid": os.getpid()},
    )
    assert only("camera", context).text.endswith(error.localized(VI))
