"""Why a network camera gives no video: it is asked as FFmpeg asks it, and each answer is looked at.

FFmpeg and OpenCV say no more than that it could not be opened.
"""

from __future__ import annotations

from collections.abc import Callable

from edge_runtime.clock import Clock
from edge_runtime.errors import EMPTY, Text, because
from edge_runtime.options import CameraOptions
from edge_runtime.sources.base import NoVideoError
from edge_runtime.sources.network_camera.address import CameraAddress, why_unreached
from edge_runtime.sources.network_camera.connection import (
    TLS,
    CameraConnection,
    HungUpError,
    OtherProtocolError,
)
from edge_runtime.sources.network_camera.http_questions import HttpQuestions
from edge_runtime.sources.network_camera.refusals import CameraQuestions, NoVideo
from edge_runtime.sources.network_camera.rtsp_questions import RtspQuestions

# With LISTEN_S of the questions less than options.sources.camera.DIAGNOSIS_S.
ANSWER_S = 4.0


def why_no_video(options: CameraOptions, clock: Clock) -> NoVideoError:
    """Ask a camera that FFmpeg could not open, for at most DIAGNOSIS_S, and say what was found."""
    return asked(options, clock, lambda questions: questions.why())


def check_login(options: CameraOptions, clock: Clock) -> None:
    """Raise NoVideoError where a camera that has refused the login still does: asked once.

    FFmpeg and the questions why it failed would be two wrong passwords more.
    """

    def ask(questions: CameraQuestions) -> Text:
        questions.check_login()
        return EMPTY

    found = asked(options, clock, ask)
    if found.is_unauthorised:
        raise found


def asked(
    options: CameraOptions, clock: Clock, ask: Callable[[CameraQuestions], Text]
) -> NoVideoError:
    """Connect to a camera, ask, and return what was found."""
    address = CameraAddress.of(options.url)
    answer_s = min(ANSWER_S, options.open_timeout_s)
    is_unauthorised = False
    try:
        connection = CameraConnection(address, clock, answer_s)
    except OSError as error:
        return NoVideoError(why_unreached(options.url, error, answer_s), was_asked=True)
    with connection:
        try:
            connection.encrypt()
            text = ask(questions(options, address, connection, clock))
        except NoVideo as found:
            text, is_unauthorised = found.text, found.is_unauthorised
        except OtherProtocolError as error:
            text = other_protocol(options.place, address, error.protocol)
        except OSError as error:
            text = no_answer(options.place, connection.method, error, answer_s)
            if connection.method == TLS:
                text = no_encryption(options.place, address.scheme)
    return NoVideoError(text, was_asked=True, is_unauthorised=is_unauthorised)


def questions(
    options: CameraOptions, address: CameraAddress, connection: CameraConnection, clock: Clock
) -> CameraQuestions:
    """Return what is asked of a camera, in the protocol of its URL."""
    if address.is_rtsp:
        return RtspQuestions(options, address, connection, clock)
    return HttpQuestions(options, address, connection)


def no_encryption(camera: str, scheme: str) -> Text:
    """Say that nobody speaks TLS there."""
    return Text(
        "{camera}: no encrypted connection (TLS) is spoken on that port; write {scheme}:// in "
        "place of {scheme}s://, or correct the port",
        camera=camera,
        scheme=scheme.removesuffix("s"),
    )


def no_answer(camera: str, method: str, error: OSError, answer_s: float) -> Text:
    """Say that a camera took the connection, and then did not answer."""
    if isinstance(error, TimeoutError):
        return Text(
            "{camera}: takes the connection, but does not answer {method} within {seconds:g} s; "
            "start the camera again, and check that address and port are its own",
            camera=camera,
            method=method,
            seconds=answer_s,
        )
    if isinstance(error, HungUpError | ConnectionError):
        return Text(
            "{camera}: takes the connection and hangs up at {method}; check that address and port "
            "are the camera's, and end its other viewers",
            camera=camera,
            method=method,
        )
    return Text(
        "{camera}: the connection broke at {method} ({reason}); check the network",
        camera=camera,
        method=method,
        reason=because(error),
    )


def other_protocol(camera: str, address: CameraAddress, protocol: str) -> Text:
    """Say who answers there, if it is no camera that speaks as the URL says."""
    if address.is_rtsp and protocol == "HTTP":
        return Text(
            "{camera}: a web page answers there (HTTP), not RTSP; give the camera's RTSP port, "
            "mostly 554, or an http:// URL where it gives MJPEG",
            camera=camera,
        )
    if protocol == "RTSP":
        return Text("{camera}: RTSP answers there, not HTTP; write rtsp://", camera=camera)
    return Text(
        "{camera}: what answers there does not speak {protocol}; check that address and port are "
        "the camera's",
        camera=camera,
        protocol="RTSP" if address.is_rtsp else "HTTP",
    )
