"""What it means that a camera refuses: alike in RTSP and HTTP."""

from __future__ import annotations

from collections.abc import Sequence

from edge_runtime.errors import Text
from edge_runtime.options import CameraOptions
from edge_runtime.sources.base import UNAUTHORISED_WAIT_S
from edge_runtime.sources.network_camera.address import CameraAddress
from edge_runtime.sources.network_camera.connection import Answer, CameraConnection
from edge_runtime.sources.network_camera.login import authorization, schemes
from edge_runtime.urls import shown_path, shown_url

UNAUTHORISED = 401
BUSY = (453, 503)
LATER = Text(
    "the daemon tries every {minutes:g} minutes only, as many cameras lock out who tries often",
    minutes=UNAUTHORISED_WAIT_S / 60,
)


class NoVideo(Exception):  # noqa: N818 - it is what was looked for
    """Carries the cause to where it is told. `is_unauthorised`: it wants (another) login."""

    def __init__(self, text: Text, *, is_unauthorised: bool = False) -> None:
        super().__init__(text)
        self.text = text
        self.is_unauthorised = is_unauthorised


class CameraQuestions:
    """What is asked of a camera, and what its refusals mean; RTSP and HTTP fill in `why`."""

    def __init__(
        self, options: CameraOptions, address: CameraAddress, connection: CameraConnection
    ) -> None:
        self._options = options
        self._camera = options.place
        self._address = address
        self._connection = connection

    def why(self) -> Text:
        """Return the cause. Raises NoVideo with it, too, and what CameraConnection raises."""
        raise NotImplementedError

    def check_login(self) -> None:
        """Ask as little as shows whether the login is taken. Raises as `why` does."""
        raise NotImplementedError

    def _accepted(self, answer: Answer) -> Answer:
        """Return an answer that is no refusal. Raises NoVideo with what a refusal means."""
        if 200 <= answer.status < 300:
            return answer
        raise NoVideo(self._refusal(answer), is_unauthorised=answer.status == UNAUTHORISED)

    def _refusal(self, answer: Answer) -> Text:
        camera, status = self._camera, answer.status
        if status == UNAUTHORISED:
            return self._unauthorised(answer.all("www-authenticate"))
        if status == 403:
            return Text(
                "{camera}: forbids this stream (403); give the account of the URL the right to "
                "live video in the camera, or use another account",
                camera=camera,
            )
        if status == 404:
            return Text(
                "{camera}: has no such path (404; asked for {path}); take the path from the "
                "camera's manual or its page on streams",
                camera=camera,
                path=shown_path(self._options.url),
            )
        if status in BUSY:
            return Text(
                "{camera}: is busy ({status}): it has as many viewers as it can serve; end another "
                "one (recorder, app), or take its second, smaller stream",
                camera=camera,
                status=status,
            )
        if status in range(300, 400):
            return Text(
                "{camera}: sends its viewers on to {other}; give that address",
                camera=camera,
                other=shown_url(answer.header("location")),
            )
        return Text(
            "{camera}: refuses {method} with the status {status}; start the camera again, and "
            "check the URL's path",
            camera=camera,
            method=self._connection.method,
            status=status,
        )

    def _unauthorised(self, challenges: Sequence[str]) -> Text:
        login = self._address.login
        if not login:
            return Text(
                "{camera}: asks for user name and password (401), and the URL has none; write "
                "{scheme}://user:password@… in it; {later}",
                camera=self._camera,
                scheme=self._address.scheme,
                later=LATER,
            )
        if authorization(challenges, login, "", "") is None:
            return Text(
                "{camera}: takes passwords by {schemes} alone, which cannot be done here; set its "
                "RTSP (HTTP) authentication to digest (MD5) or basic; {later}",
                camera=self._camera,
                schemes=schemes(challenges) or "?",
                later=LATER,
            )
        return Text(
            "{camera}: refuses the user name or the password (401); {later}; correct them: in the "
            "URL write %23 for '#', %2F for '/', %3F for '?', %40 for '@', %25 for '%'. Some "
            "cameras have accounts of their own for RTSP",
            camera=self._camera,
            later=LATER,
        )
