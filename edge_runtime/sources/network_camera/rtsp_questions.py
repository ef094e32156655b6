"""Asks an RTSP camera for its video, up to its packets."""

from __future__ import annotations

from edge_runtime.clock import Clock
from edge_runtime.errors import Text
from edge_runtime.options import CameraOptions
from edge_runtime.sources.network_camera import sdp
from edge_runtime.sources.network_camera.address import CameraAddress
from edge_runtime.sources.network_camera.codecs import SAMPLES, can_decode
from edge_runtime.sources.network_camera.connection import Answer, CameraConnection, Media
from edge_runtime.sources.network_camera.refusals import CameraQuestions, NoVideo
from edge_runtime.sources.network_camera.udp_ports import RtpPorts
from edge_runtime.urls import shown_path

LISTEN_S = 3.0
TCP_TRANSPORT = "RTP/AVP/TCP;unicast;interleaved=0-1"
RTP_CHANNEL = 0  # the other one is for control packets


class RtspQuestions(CameraQuestions):
    """OPTIONS, DESCRIBE, SETUP, PLAY: what a camera answers, and what then comes of it."""

    def __init__(
        self,
        options: CameraOptions,
        address: CameraAddress,
        connection: CameraConnection,
        clock: Clock,
    ) -> None:
        super().__init__(options, address, connection)
        self._clock = clock
        self._base = f"{address.scheme}://{address.authority}{address.target}"

    def check_login(self) -> None:
        self._described()

    def why(self) -> Text:
        answer = self._described()
        video = self._video(answer)
        base = answer.header("content-base") or answer.header("content-location") or self._base
        target = sdp.control_url(base, video.control)
        if self._options.transport == "udp":
            with RtpPorts(self._address.host) as ports:
                self._play(target, base, ports.transport)
                media = ports.listen(self._clock, LISTEN_S)
        else:
            self._play(target, base, TCP_TRANSPORT)
            media = self._connection.listen(LISTEN_S, RTP_CHANNEL)
        return self._of_media(video, media)

    def _described(self) -> Answer:
        self._connection.send_options(self._base)
        described = self._connection.request("DESCRIBE", self._base, "Accept: application/sdp")
        return self._accepted(described)

    def _video(self, answer: Answer) -> sdp.Track:
        found = sdp.tracks(answer.body)
        video = next((one for one in found if one.media == "video"), None)
        if video is None:
            raise NoVideo(self._no_video_track([one.media for one in found if one.media]))
        known = video.codec in sdp.DECODABLE or video.codec in SAMPLES
        if video.codec and not (known and can_decode(video.codec)):
            raise NoVideo(
                Text(
                    "{camera}: sends {codec}, which cannot be decoded here; set H.264 in the "
                    "camera (or MJPEG), or take its second stream",
                    camera=self._camera,
                    codec=video.name,
                )
            )
        return video

    def _no_video_track(self, media: list[str]) -> Text:
        path = shown_path(self._options.url)
        if not media:
            return Text(
                "{camera}: describes neither video nor sound on this path (asked for {path}); give "
                "the path of its video, and start the camera again",
                camera=self._camera,
                path=path,
            )
        return Text(
            "{camera}: has no video on this path (asked for {path}), only {media}; give the path "
            "of its video",
            camera=self._camera,
            path=path,
            media=", ".join(media),
        )

    def _play(self, target: str, base: str, transport: str) -> None:
        answer = self._connection.request("SETUP", target, f"Transport: {transport}")
        if answer.status == 461:
            raise NoVideo(self._other_transport())
        self._accepted(answer)
        self._accepted(self._connection.request("PLAY", base, "Range: npt=0.000-"))

    def _other_transport(self) -> Text:
        if self._options.transport == "udp":
            return Text(
                "{camera}: does not send over UDP (461); remove transport from its source",
                camera=self._camera,
            )
        return Text(
            '{camera}: sends over UDP alone (461); write transport = "udp" in its source',
            camera=self._camera,
        )

    def _of_media(self, video: sdp.Track, media: Media) -> Text:
        if not media.packets and self._options.transport == "udp":
            return Text(
                "{camera}: lets itself be started, but none of its packets came over UDP in "
                "{seconds:.1f} s; a firewall or router may keep them away: remove transport, so "
                "that it sends over TCP",
                camera=self._camera,
                seconds=media.seconds,
            )
        if not media.packets:
            return Text(
                "{camera}: lets itself be started, but sends nothing (0 packets in {seconds:.1f} "
                "s); start the camera again, and look at its picture in a browser",
                camera=self._camera,
                seconds=media.seconds,
            )
        return Text(
            "{camera}: sends {codec} ({packets} packets, {size:.0f} kB in {seconds:.1f} s), but no "
            "picture could be decoded of that; set H.264 and a key frame each second or two in "
            "the camera",
            camera=self._camera,
            codec=video.name or Text("a codec that it does not name"),
            packets=media.packets,
            size=media.size_bytes / 1000,
            seconds=media.seconds,
        )
