"""What `check` says of a camera's device, and what a V4L2 node is taken for."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.cli.camera import camera
from edge_runtime.config import parse
from edge_runtime.errors import ConfigError
from edge_runtime.jobs.camera_trial import with_password
from edge_runtime.language import Language
from edge_runtime.options import CameraOptions
from edge_runtime.sources import v4l2, v4l2_formats
from edge_runtime.sources.v4l2_formats import Capability
from edge_runtime.urls import login_doubt, percent_doubt, shown_path
from support.http_camera import HttpCamera
from support.rtsp_camera import RtspCamera
from support.sources import first_camera

HEAD = '[device]\nsite = "a"\n[broker]\nurl = "mqtt://b"\n'
STREAM = '[[streams]]\nname = "{}"\nsource = {}\nmodel = {{ pack = "p" }}\n'


def check(*sources: str) -> str:
    """Return what is wrong with streams of these sources; empty: nothing."""
    streams = (STREAM.format(f"s{number}", source) for number, source in enumerate(sources))
    raw = tomllib.loads(HEAD + "".join(streams))
    try:
        parse(raw, Path("my.toml"))
    except ConfigError as error:
        english, vietnamese = str(error), error.localized(Language("vi"))
    else:
        return ""
    assert vietnamese != english
    return english


def device(text: str, more: str = "") -> str:
    return f'{{ kind = "camera", device = "{text}"{more} }}'


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("0", 'write device = 0, or device = "/dev/video0"'),
        ("video1", 'write the whole path: device = "/dev/video1"'),
        ("dev/video1", 'write the whole path: device = "/dev/video1"'),
        ("192.168.1.64", 'write device = "rtsp://user:password@192.168.1.64/path"'),
        ("192.168.1.64:554/live", "rtsp://user:password@192.168.1.64:554/path"),
        ("cam.local:554", "rtsp://user:password@cam.local:554/path"),
        ("~/clip.mp4", 'write source = { kind = "video", path = "…" }'),
        ("/home/pi/clip.MP4", 'write source = { kind = "video", path = "…" }'),
        ("libcamera", "camera port (CSI) is not opened by that name"),
        ("webcam", "neither a path such as /dev/video0, an index, nor a URL"),
        ("rtmp://192.168.1.64/live", "an http:// URL that gives MJPEG"),
        ("rtsp://admin:a#b@h/live", "%23 for the '#' at character 15"),
        ("rtsp://admin:a/b?c@h/live", "%2F for the '/' at character 15, %3F for the '?' at"),
    ],
)
def test_check_says_what_a_device_should_be(given: str, text: str) -> None:
    assert text in check(device(given))


@pytest.mark.parametrize(
    "given",
    [
        "/dev/video0", "/dev/v4l/by-id/usb-x-index0", "RTSP://192.168.1.64/live",
        "HTTP://192.168.4.16:81/stream", "rtsp://admin:a%23b@h:554/live", "/dev/edge/camera",
    ],
)  # fmt: skip
def test_check_takes_what_is_right(given: str) -> None:
    assert check(device(given)) == ""


def test_options_of_one_kind_of_camera_are_refused_at_the_other() -> None:
    assert "pixel_format: remove it" in check(device("rtsp://h/x", ', pixel_format = "MJPG"'))
    assert "transport: remove it" in check(device("/dev/video0", ', transport = "udp"'))
    assert "transport: remove it" in check(device("http://h/x", ', transport = "udp"'))
    assert check(device("/dev/video0", ', pixel_format = "MJPG"')) == ""


def test_a_home_folder_is_no_shells(tmp_path: Path) -> None:
    wrong = check('{ kind = "video", path = "~/clips/a.mp4" }')
    assert "write the whole path, such as /home/NAME/clips/a.mp4" in wrong


def test_streams_of_one_camera_ask_the_same_of_it() -> None:
    same = device("/dev/video0", ", rate_fps = 5")
    assert check(same, '{ kind = "camera", device = 0, rate_fps = 5 }') == ""
    wrong = check(same, device("/dev/video0", ", rate_fps = 9, width = 640, height = 480"))
    assert "streams[1].source: the same camera as streams[0].source" in wrong
    assert "with another width, height, rate_fps" in wrong
    assert check(same, device("/dev/video1", ", rate_fps = 9")) == ""


@settings(max_examples=50)
@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=12))
def test_a_login_written_as_it_is_told_is_the_one_that_is_meant(password: str) -> None:
    url = with_password("rtsp://admin@10.0.0.7:554/live", ask=lambda _user: password)
    options = CameraOptions(url)
    assert list(options.problems()) == []
    assert login_doubt(url) is None
    assert percent_doubt(url) is None
    from edge_runtime.sources.network_camera.address import CameraAddress

    assert CameraAddress.of(url).login == f"admin:{password}"


@settings(max_examples=50)
@given(st.text(max_size=60))
def test_any_device_is_taken_or_refused(text: str) -> None:
    if text:
        list(CameraOptions(text).problems())
        list(CameraOptions(text).warnings())
        shown_path(text)


# V4L2


def node(driver: str, flags: int = v4l2_formats.CAN_CAPTURE) -> Capability:
    return Capability(driver, "a card", "a bus", flags)


def test_the_ioctls_have_the_sizes_of_their_structures() -> None:
    pairs = {
        v4l2_formats.VIDIOC_QUERYCAP: v4l2_formats.CAPABILITY.size,
        v4l2_formats.VIDIOC_ENUM_FMT: v4l2_formats.FORMAT.size,
        v4l2_formats.VIDIOC_ENUM_FRAMESIZES: v4l2_formats.SIZES.size,
        v4l2_formats.VIDIOC_ENUM_FRAMEINTERVALS: v4l2_formats.INTERVALS.size,
        v4l2_formats.VIDIOC_G_FMT: v4l2_formats.FORMAT_BYTES,
    }
    assert {request >> 16 & 0x3FFF: size for request, size in pairs.items()} == {
        size: size for size in pairs.values()
    }


def test_a_node_is_told_for_what_it_is() -> None:
    assert v4l2.unfit("/dev/video0", node("uvcvideo"), ["MJPG", "YUYV"], "YUYV") is None
    assert v4l2.unfit("/dev/video0", node("uvcvideo"), [], "YUYV") is None
    csi = v4l2.unfit("/dev/video0", node("unicam"), ["pRAA", "RG10"], None)
    assert "camera port (CSI, driver unicam)" in str(csi)
    other = v4l2.unfit("/dev/video0", node("vim2m"), ["XX10"], None)
    assert "gives only XX10" in str(other)
    wrong = v4l2.unfit("/dev/video0", node("uvcvideo"), ["MJPG"], "YUYV")
    assert "has no pixel format YUYV; it has MJPG" in str(wrong)
    codec = v4l2.unfit("/dev/video10", node("bcm2835-codec", 0), [], None)
    assert "gives no pictures (driver bcm2835-codec" in str(codec)


def test_a_camera_of_this_board_tells_what_it_offers() -> None:
    path = first_camera()
    with v4l2_formats.opened(path) as opened:
        offers = v4l2_formats.formats(opened, with_sizes=True)
    assert offers
    assert all(offer.code for offer in offers)
    assert CliRunner().invoke(camera, ["list", "--lang", "en"]).output.startswith("/dev/video")


# `edge-runtime camera test`


def test_camera_test_says_why_nothing_comes() -> None:
    with HttpCamera() as served:
        page = CliRunner().invoke(camera, ["test", served.url("/"), "--lang", "vi"])
    assert page.exit_code == 1
    assert "ở đó là một trang web (text/html)" in page.output


def test_camera_test_asks_for_a_password_and_tells_it_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edge_runtime.jobs.camera_trial.WATCHED_S", 0.3)
    with RtspCamera() as served:
        served.login, served.password = "digest", "p#/%"
        url = f"rtsp://guard@127.0.0.1:{served.port}/live"
        good = CliRunner().invoke(camera, ["test", url, "--lang", "en"], input="p#/%\n")
        wrong = CliRunner().invoke(camera, ["test", url, "--lang", "en"], input="s3cr3t\n")
    assert "gives 320x240 pixels as MJPEG" in good.output
    assert wrong.exit_code == 1
    assert "refuses the user name or the password (401)" in wrong.output
    assert "p#/%" not in good.output.partition("gives")[2]
    assert "s3cr3t" not in wrong.output
