"""What a board without a configuration is to do: seen, asked for, and asked for again at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_runtime.config import ConfigReading
from edge_runtime.enrolment.claim import Claim
from edge_runtime.errors import EdgeError
from edge_runtime.language import Code, Language
from edge_runtime.options import CameraOptions, StreamOptions
from edge_runtime.packs.store import ListedPack
from edge_runtime.provision.configuration import fresh, reading_of
from edge_runtime.provision.errors import ProvisionError
from edge_runtime.provision.plugged import Plugged, plugged_in
from edge_runtime.provision.streams import CameraTrial, Questions, streams_unasked

CLAIM = Claim(
    "hill", "gate-3", "https://office.example:8443", "mqtts://10.0.0.1:8883", "broker.example",
    "0" * 64, "id", "secret", 2_000_000_000,
)  # fmt: skip
CAMERA, OTHER, PORT = "/dev/v4l/by-id/usb-a", "/dev/video2", "/dev/serial/by-id/usb-sensor"
PINS = "/dev/serial0"
URL = "rtsp://192.0.2.64/Streaming/Channels/102"


def pack(name: str, kind: str = "image", state: str = "bundled") -> ListedPack:
    assert state in ("bundled", "available")
    return ListedPack(name, "1", "classification", 1, state, "MIT", input_kind=kind)  # type: ignore[arg-type]


PACKS = [pack("aaa"), pack("aab-vibration", "window"), pack("coco-ssd-mobilenet-v1")]


class Person:
    """Answers one question after the other, the default for an empty answer, and hears all."""

    def __init__(self, *answers: str, password: str = "") -> None:
        self.left = list(answers)
        self.heard: list[str] = []
        self._password = password

    def ask(self, question: str, default: str) -> str:
        self.heard.append(question)
        return self.left.pop(0) or default

    def secret(self, question: str) -> str:
        self.heard.append(question)
        return self._password

    def agree(self, question: str) -> bool:
        self.heard.append(question)
        return self.left.pop(0) == "yes"

    def tell(self, text: str) -> None:
        self.heard.append(text)


class Cameras:
    """The cameras that were tried; those in `silent` give no picture."""

    def __init__(self, *silent: str) -> None:
        self.tried: list[str] = []
        self._silent = silent

    def __call__(self, options: CameraOptions) -> CameraTrial:
        self.tried.append(options.url)
        gives = options.url not in self._silent
        return CameraTrial(gives, "pictures came" if gives else "no picture: refused")


def asked(
    plugged: Plugged, person: Person, cameras: Cameras | None = None, lang: Code = "en"
) -> tuple[StreamOptions, ...]:
    """Return the streams that a person wants; every answer is used up."""
    questions = Questions(plugged, PACKS, Language(lang), person, cameras or Cameras())
    streams = read(questions.streams())
    assert person.left == []
    return streams


def read(tables: str) -> tuple[StreamOptions, ...]:
    place = Path("edge-runtime.toml")
    reading: ConfigReading = reading_of(fresh(CLAIM, tables), place, tables, place)
    return reading.finished().streams


def test_one_camera_needs_no_answer_and_gets_a_pack_for_pictures() -> None:
    for tables in (
        streams_unasked(Plugged((CAMERA,), (), (PINS,)), PACKS),
        Questions(
            Plugged((CAMERA,), (), (PINS,)), PACKS, Language("en"), Person("", "no"), Cameras()
        ).streams(),
    ):
        (one,) = read(tables)
        assert (one.name, one.source.place, one.model.pack) == (
            "camera", CAMERA, "coco-ssd-mobilenet-v1",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("plugged", "said"),
    [
        (Plugged((), (), (PINS,)), "plug one in, or describe the streams in a file"),
        (Plugged((CAMERA, OTHER)), f"cannot be asked here .{CAMERA}, {OTHER}.: describe"),
        (Plugged((CAMERA,), (PORT,)), "cannot be asked here"),
    ],
)
def test_where_nobody_may_be_asked_one_error_says_what_to_do(plugged: Plugged, said: str) -> None:
    with pytest.raises(ProvisionError, match=said):
        streams_unasked(plugged, PACKS)


def test_without_a_pack_for_pictures_a_camera_is_refused() -> None:
    others = [pack("vibration", "window"), pack("coco-ssd-mobilenet-v1", state="available")]
    with pytest.raises(EdgeError, match="no model pack for pictures is on this board"):
        streams_unasked(Plugged((CAMERA,)), others)


def test_several_devices_become_several_streams_with_names_of_their_own() -> None:
    person = Person("1", "", "yes", "1", "2", "yes", "1", "9600", "level", "yes", "1",
                    "19200", "flow, depth", "no")  # fmt: skip
    streams = asked(Plugged((CAMERA, OTHER), (PORT,), (PINS,)), person)
    told = [(one.name, one.source.place) for one in streams]
    assert told == [
        ("camera", CAMERA), ("camera-2", OTHER), ("sensor", PORT), ("sensor-2", PINS),
    ]  # fmt: skip
    assert [getattr(one.source, "baud", None) for one in streams[2:]] == [9600, 19200]
    assert getattr(streams[3].source, "channels", None) == ("flow", "depth")
    assert streams[1].model.pack == "aaa"
    lists = [text for text in person.heard if "Which device" in text]
    assert CAMERA in lists[0]
    assert CAMERA not in lists[1], "what is in use is not offered again"


@pytest.mark.parametrize("lang", ["en", "vi"])
def test_a_wrong_answer_is_told_without_a_file_and_asked_for_again(lang: Code) -> None:
    person = Person("9", "nonsense", "1", "9600 baud", "0", "19200", "mực nước", ",", "level", "no")
    (one,) = asked(Plugged((), (PORT,)), person, lang=lang)
    assert getattr(one.source, "baud", None) == 19200
    assert not any("toml" in text or "/etc" in text for text in person.heard)
    for words in ("nonsense", "9600 baud"):
        assert sum(words in text for text in person.heard) == 1


def test_a_camera_in_the_network_is_tried_and_may_be_typed_again() -> None:
    wrong = URL.replace("64", "65")
    person = Person(
        "1", "192.0.2.64", "/dev/video0", wrong, "1", f"rtsp://admin@{URL[7:]}", "", "yes", "1",
        URL, "2", "", "no", password="a/b#c",
    )  # fmt: skip
    cameras = Cameras(wrong, URL)
    first, second = asked(Plugged(), person, cameras)
    login = f"rtsp://admin:a%2Fb%23c@{URL[7:]}"
    assert cameras.tried == [wrong, login, URL]
    assert getattr(first.source, "device", None) == login
    assert getattr(second.source, "device", None) == URL, "wanted all the same"
    assert person.heard.count("no picture: refused") == 2
    assert not any("a/b#c" in text or "a%2Fb" in text for text in person.heard)
    assert any("write device" in text or "without its scheme" in text for text in person.heard)


def test_ports_are_known_by_the_names_that_stay_theirs(tmp_path: Path) -> None:
    (tmp_path / "dev/serial/by-id").mkdir(parents=True)
    (tmp_path / "dev/serial/by-id/usb-x").touch()
    (tmp_path / "dev/video0").touch()  # a file is no camera
    assert plugged_in(tmp_path) == Plugged((), (str(tmp_path / "dev/serial/by-id/usb-x"),))


def test_uarts_are_those_that_are_real_and_nobody_else_s(tmp_path: Path) -> None:
    """As on a Raspberry Pi: ttyS0 on the pins, ttyAMA0 Bluetooth's, others a console or nothing."""
    (tmp_path / "dev").mkdir()
    for name, kind in (("ttyS0", 6), ("ttyAMA0", 32), ("ttyAMA4", 32), ("ttyS1", 0), ("ttyS2", 4)):
        (tmp_path / "dev" / name).touch()
        (tmp_path / "sys/class/tty" / name).mkdir(parents=True)
        (tmp_path / "sys/class/tty" / name / "type").write_text(f"{kind}\n")
    (tmp_path / "sys/class/tty/ttyAMA5").mkdir()
    (tmp_path / "sys/class/tty/ttyAMA5/type").write_text("32\n")  # no node: nobody could open it
    (tmp_path / "sys/class/tty/console").mkdir()
    (tmp_path / "sys/class/tty/console/active").write_text("tty1 ttyS2\n")
    (tmp_path / "dev/serial0").symlink_to("ttyS0")
    (tmp_path / "dev/serial1").symlink_to("ttyAMA0")
    found = {str(tmp_path / "dev" / name) for name in ("serial0", "ttyAMA4")}
    assert set(plugged_in(tmp_path).pins) == found
