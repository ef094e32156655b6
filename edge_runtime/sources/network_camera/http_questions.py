"""Asks a camera that gives MJPEG over HTTP for its stream."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from edge_runtime.errors import Text
from edge_runtime.sources.network_camera.refusals import CameraQuestions

LISTEN_S = 3.0
CONTENT_TYPE = re.compile(r"[a-z0-9.+-]{1,40}/[a-z0-9.+-]{1,40}")
PAGES = ("text/html", "application/xhtml+xml", "text/plain", "application/json")


class HttpQuestions(CameraQuestions):
    """GET: what a camera that gives MJPEG over HTTP answers."""

    def check_login(self) -> None:
        self._accepted(self._connection.get())

    def why(self) -> Text:
        answer = self._accepted(self._connection.get())
        kind = answer.header("content-type").partition(";")[0].strip().lower()
        kind = kind if CONTENT_TYPE.fullmatch(kind) else "?"
        if kind in PAGES:
            return Text(
                "{camera}: a page answers there ({type}), no video; give the path of its MJPEG "
                "stream, such as /stream or /video",
                camera=self._camera,
                type=kind,
            )
        if kind.startswith("image/"):
            return Text(
                "{camera}: gives single pictures there ({type}), no stream; give the path of its "
                "MJPEG stream, such as http://{host}:81/stream of an ESP32-CAM",
                camera=self._camera,
                type=kind,
                host=urlsplit(self._camera).hostname or "…",
            )
        media = self._connection.drain(LISTEN_S)
        return Text(
            "{camera}: answers with {type} and {size:.0f} kB in {seconds:.1f} s, but no picture "
            "that can be decoded came; set MJPEG in the camera, or use its rtsp:// URL",
            camera=self._camera,
            type=kind,
            size=media.size_bytes / 1000,
            seconds=media.seconds,
        )
