"""A small camera that gives MJPEG over HTTP, as an ESP32-CAM does (multipart/x-mixed-replace)."""

from __future__ import annotations

import base64
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from support.rtsp_camera import picture

KNOWN = "Basic " + base64.b64encode(b"guard:secret").decode()


class HttpCamera:
    """Serves /stream, /snap.jpg, and a page at /; a context manager. `login`: it wants one."""

    def __init__(self, *, login: bool = False) -> None:
        self.login = login
        self.stopped = threading.Event()
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer(self, camera)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def port(self) -> int:
        return self._server.server_port

    def url(self, path: str, login: str = "") -> str:
        return f"http://{login}127.0.0.1:{self.port}{path}"

    def __enter__(self) -> HttpCamera:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def answer(request: BaseHTTPRequestHandler, camera: HttpCamera) -> None:
    """Answer one request."""
    if camera.login and request.headers.get("Authorization") != KNOWN:
        request.send_response(401)
        request.send_header("WWW-Authenticate", 'Basic realm="yard"')
        request.end_headers()
        return
    kinds = {
        "/stream": "multipart/x-mixed-replace; boundary=frame", "/": "text/html",
        "/snap.jpg": "image/jpeg",
    }  # fmt: skip
    kind = kinds.get(request.path)
    request.send_response(200 if kind else 404)
    if kind:
        request.send_header("Content-Type", kind)
    request.end_headers()
    if request.path == "/stream":
        stream(request, camera)
    elif request.path == "/snap.jpg":
        request.wfile.write(b"\xff\xd8")


def stream(request: BaseHTTPRequestHandler, camera: HttpCamera) -> None:
    """Send pictures until the client goes."""
    number = 0
    try:
        while not camera.stopped.wait(0.02):
            jpeg = picture(number, (320, 240))
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            request.wfile.write(head.encode() + jpeg + b"\r\n")
            number += 1
    except OSError:
        pass
