"""Why a network camera gives no video: each cause is planted, and it is the one that is named."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.clock import SystemClock
from edge_runtime.errors import SourceError, Text
from edge_runtime.isolation.children import ChildFactory
from edge_runtime.language import Language
from edge_runtime.options import CameraOptions
from edge_runtime.sources.base import UNAUTHORISED_WAIT_S
from edge_runtime.sources.camera import CameraSource
from edge_runtime.sources.isolated import IsolatedSource
from edge_runtime.sources.known_cause import KnownCause
from edge_runtime.sources.network_camera import connection, rtsp_questions
from edge_runtime.sources.network_camera.address import CameraAddress
from edge_runtime.sources.network_camera.codecs import can_decode
from edge_runtime.sources.network_camera.login import authorization
from edge_runtime.sources.network_camera.sdp import Track, control_url, tracks
from edge_runtime.sources.network_camera.why_no_video import why_no_video
from support.http_camera import HttpCamera
from support.media import read_some
from support.rtsp_camera import RtspCamera

CLOCK = SystemClock()
ENCODED = "v=0\r\ns=y\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 {}/90000\r\na=control:t\r\n"
AUDIO = "v=0\r\ns=yard\r\nt=0 0\r\nm=audio 0 RTP/AVP 8\r\na=control:track\r\n"


@pytest.fixture
def served() -> Iterator[RtspCamera]:
    with RtspCamera() as camera:
        yield camera


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Listen for less long than on a real network."""
    monkeypatch.setattr(rtsp_questions, "LISTEN_S", 0.3)


def cause(url: str, transport: str = "tcp") -> str:
    """Return what is found when a camera is asked."""
    options = CameraOptions(url, open_timeout_s=2.0, transport=transport)  # type: ignore[arg-type]
    found = why_no_video(options, CLOCK).text
    said = str(found)
    assert said.startswith(options.place)
    assert found.localized(Language("vi")) != said
    assert "secret" not in said
    return said


@pytest.mark.parametrize(
    ("traits", "text"),
    [
        ({"login": "digest", "password": "other"}, "refuses the user name or the password (401)"),
        ({"login": "basic", "password": "other"}, "refuses the user name or the password (401)"),
        ({"login": "sha256"}, "takes passwords by Digest SHA-256 alone"),
        ({"statuses": {"DESCRIBE": 404}}, "has no such path (404; asked for …)"),
        ({"statuses": {"DESCRIBE": 403}}, "forbids this stream (403)"),
        ({"statuses": {"SETUP": 453}}, "is busy (453)"),
        ({"statuses": {"DESCRIBE": 503}}, "is busy (503)"),
        ({"statuses": {"PLAY": 500}}, "refuses PLAY with the status 500"),
        ({"udp_only": True}, 'sends over UDP alone (461); write transport = "udp"'),
        ({"description": AUDIO}, "has no video on this path (asked for …), only audio"),
        ({"description": ENCODED.format("H266")}, "sends H.266, which cannot be decoded here"),
        ({"description": "v=0\r\n"}, "describes neither video nor sound"),
        ({"page": True}, "a web page answers there (HTTP), not RTSP"),
        ({"silent": True}, "does not answer OPTIONS within 2 s"),
    ],
)
def test_the_planted_cause_is_the_one_that_is_named(
    served: RtspCamera, traits: dict[str, object], text: str
) -> None:
    for name, value in traits.items():
        setattr(served, name, value)
    assert text in cause(served.url)


def test_a_camera_that_wants_a_login_is_told_apart_from_one_that_refuses_it(
    served: RtspCamera,
) -> None:
    served.login = "digest"
    assert "and the URL has none; write rtsp://user:password@" in cause(
        f"rtsp://127.0.0.1:{served.port}/live"
    )


def test_a_path_is_told_where_no_secret_can_stand_in_it(served: RtspCamera) -> None:
    served.statuses["DESCRIBE"] = 404
    url = f"rtsp://127.0.0.1:{served.port}"
    assert "asked for /Streaming/Channels/101)" in cause(f"{url}/Streaming/Channels/101")
    for path in ("/live?token=x", "/live/Hunter2", "/user=a_password=b_channel=1", "/live/123456"):
        assert "asked for …)" in cause(url + path)


@pytest.mark.usefixtures("quick")
def test_what_came_of_the_video_is_counted(served: RtspCamera) -> None:
    served.stalled.set()
    assert "lets itself be started, but sends nothing (0 packets" in cause(served.url)
    served.stalled.clear()
    served.description = ENCODED.format("H265")
    said = cause(served.url)
    assert "sends H.265 (" in said
    assert "(0 packets" not in said


@pytest.mark.usefixtures("quick")
def test_over_udp(served: RtspCamera) -> None:
    served.udp_only = True
    assert "sends MJPEG (" in cause(served.url, "udp")
    served.stalled.set()
    assert "none of its packets came over UDP" in cause(served.url, "udp")
    served.udp_only, served.tcp_only = False, True
    assert "does not send over UDP (461); remove transport" in cause(served.url, "udp")


def test_who_speaks_otherwise_is_named(served: RtspCamera) -> None:
    assert "RTSP answers there, not HTTP" in cause(f"http://127.0.0.1:{served.port}/")
    assert "no encrypted connection (TLS)" in cause(f"rtsps://127.0.0.1:{served.port}/")
    with socket.create_server(("127.0.0.1", 0)) as other:
        hung_up = f"rtsp://127.0.0.1:{other.getsockname()[1]}/"
        other.close()
        assert "refuses the connection" in cause(hung_up)


def test_http() -> None:
    with HttpCamera() as camera:
        assert "a page answers there (text/html), no video" in cause(camera.url("/"))
        assert "gives single pictures there (image/jpeg)" in cause(camera.url("/snap.jpg"))
        assert "has no such path (404" in cause(camera.url("/nothing"))
        camera.login = True
        assert "the URL has none; write http://" in cause(camera.url("/stream"))
        assert "refuses the user name" in cause(camera.url("/stream", "guard:secret2@"))


def test_mjpeg_over_http_gives_pictures() -> None:
    with HttpCamera(login=True) as camera:
        url = camera.url("/stream", "guard:secret@").replace("http", "HTTP")
        source = CameraSource(CameraOptions(url, rate_fps=100.0), CLOCK)
        source.open()
        assert read_some(source, 2)[1].image.shape == (240, 320, 3)
        assert source.codec == "MJPEG"
        source.close()


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_camera_with_digest_login_gives_pictures(served: RtspCamera, transport: str) -> None:
    served.login = "digest"
    served.password = "p#/@%x"
    url = served.url.replace("secret", "p%23%2F%40%25x").replace("rtsp", "RTSP")
    options = CameraOptions(url, rate_fps=100.0, transport=transport)  # type: ignore[arg-type]
    source = CameraSource(options, CLOCK)
    source.open()
    assert read_some(source, 2)[1].image.shape == (240, 320, 3)
    source.close()


def test_this_ffmpeg_decodes_what_cameras_send_mostly() -> None:
    assert can_decode("H264")
    assert can_decode("H265")


# How often a camera is asked


def test_a_camera_is_asked_once_and_its_cause_stays(served: RtspCamera) -> None:
    served.login, served.password = "digest", "other"
    children = ChildFactory(("numpy", "cv2"))
    options = CameraOptions(served.url, open_timeout_s=2.0)
    source = IsolatedSource(options, CLOCK, children, slots=4)
    told = []
    met = []
    for _ in range(2):
        with pytest.raises(SourceError) as error:
            source.open()
        told.append(str(error.value))
        met.append(served.met)
        source.close()
    children.close()
    assert "refuses the user name or the password (401)" in told[0]
    assert told[1] == told[0]
    assert met[1] - met[0] < met[0]  # the second time without questions


@pytest.mark.parametrize("login", ["digest", "basic"])
def test_a_wrong_password_is_given_once_a_try_and_tries_are_minutes_apart(
    login: str, served: RtspCamera
) -> None:
    served.login, served.password = login, "other"
    children = ChildFactory(("numpy", "cv2"))
    source = IsolatedSource(CameraOptions(served.url), CLOCK, children, slots=4)
    refused = [0]
    for _ in range(3):
        with pytest.raises(SourceError, match="every 5 minutes only") as error:
            source.open()
        assert error.value.wait_at_least_s == UNAUTHORISED_WAIT_S
        refused.append(served.refused_logins)
        source.close()
    assert [now - before for before, now in pairwise(refused)] == [2, 1, 1]
    served.password = "secret"
    source.open()
    assert source.read() is not None
    source.close()
    children.close()


def test_a_cause_is_forgotten_where_pictures_come() -> None:
    from edge_runtime.sources.capture_messages import SourceFailed

    known = KnownCause(CLOCK)
    asked = SourceFailed(Text("it refuses"), gave_no_video=True, was_asked=True)
    plain = SourceFailed(Text("no video"), gave_no_video=True)
    assert known.of(asked).text == known.of(plain).text == "it refuses"
    assert known.of(SourceFailed(Text("no route"))).text == "no route"
    known.forget()
    assert known.of(plain).text == "no video"


# What strangers say


def test_a_session_description_is_read_by_its_tracks() -> None:
    text = ENCODED.format("h264") + "m=audio 0 RTP/AVP 0\r\n"
    assert tracks(text) == [Track("video", "H264", "t"), Track("audio", "PCMU", "")]
    assert control_url("rtsp://h/live/", "t") == "rtsp://h/live/t"
    assert control_url("rtsp://h/live", "rtsp://h/x") == "rtsp://h/x"
    assert control_url("rtsp://h/live", "*") == "rtsp://h/live"


@settings(max_examples=50)
@given(
    st.text(max_size=100)
    | st.lists(st.sampled_from(["m=", "a=rtpmap:", "96 ", "\n", "x/"]), max_size=30)
)
def test_any_description_is_taken(text: str | list[str]) -> None:
    for track in tracks("".join(text)):
        assert len(track.codec) <= 20


@settings(max_examples=50)
@given(st.lists(st.text(max_size=80), max_size=3), st.text(max_size=20))
def test_any_challenge_is_taken(challenges: list[str], login: str) -> None:
    said = authorization(["Digest " + one for one in challenges], login, "DESCRIBE", "rtsp://h/")
    assert said is None or said.startswith("Digest ")


def test_a_digest_is_the_one_of_the_standard() -> None:
    # RFC 2617, 3.5, without qop (RFC 2069, with its erratum)
    challenge = 'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'
    said = authorization([challenge], "Mufasa:Circle Of Life", "GET", "/dir/index.html")
    assert said is not None
    assert 'response="670fd8c2df070c60b045671b8b24ff02"' in said


@pytest.mark.parametrize(
    "sent",
    [b"RTSP/1.0 200 OK\r\n" + b"X: y\r\n" * 9000, b"x" * 40_000, b"RTSP/9 nonsense\r\n\r\n", b"\0"],
)
def test_an_answer_without_end_is_given_up(sent: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = CameraAddress.of(f"rtsp://127.0.0.1:{listener.getsockname()[1]}/")
        with connection.CameraConnection(address, CLOCK, 1.0) as asked:
            peer, _ = listener.accept()
            with peer:
                peer.sendall(sent)
                peer.shutdown(socket.SHUT_WR)
                with pytest.raises((connection.OtherProtocolError, OSError)):
                    asked.request("DESCRIBE", "rtsp://h/")
