"""The device's own tables: `[device]`, `[broker]`, `[outbox]`, `[uplink]`, `[inference]`."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from edge_runtime.language import N_
from edge_runtime.options.base import Fraction, Name, Seconds, Section

ServerName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9.:-]{1,253}\Z",
        description=N_("the broker's host name or address, without a port"),
    ),
]


TimeZone = Annotated[str, Meta(max_length=64)]


class DeviceOptions(Section, frozen=True):
    """`[device]`: the topic levels that name this board, and the time zone of the file's hours.

    `time_zone`: a name such as Asia/Ho_Chi_Minh; empty: the board's own.
    """

    site: Name
    name: Name | None = None
    time_zone: TimeZone = ""

    @property
    def level(self) -> str:
        """The device's topic level: the configured name, or the host's made fit."""
        return self.name or host_level(socket.gethostname())


class BrokerOptions(Section, frozen=True):
    """`[broker]`: where results go, and how the broker proves who it is.

    `identity` provisioned: the CA, the certificate and the key are those that `provision` put into
    the state folder. `server_name`: what the broker's certificate must bear, at whatever address.
    """

    url: str
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    username: str | None = None
    password_file: Path | None = None
    keepalive_s: Annotated[int, Meta(ge=5, le=3600)] = 60
    connect_timeout_s: Seconds = 10.0
    retry_max_s: Seconds = 60.0
    max_inflight: Annotated[int, Meta(ge=1, le=1000)] = 20
    identity: Literal["provisioned"] | None = None
    server_name: ServerName | None = None


class OutboxOptions(Section, frozen=True):
    """`[outbox]`: bytes on disk, and what a power cut may cost.

    `backlog_per_s` is what an old backlog may send beside live results; `replay_share` the part
    of `max_mb` that keeps acknowledged results, should a consumer ask for them again.
    """

    max_mb: Annotated[float, Meta(ge=1.0, le=1_000_000.0)] = 256.0
    commit_interval_s: Annotated[float, Meta(ge=0.0, le=3600.0)] = 5.0
    backlog_per_s: Annotated[float, Meta(gt=0.0, le=1_000_000.0)] = 50.0
    replay_share: Fraction = 0.25


class UplinkOptions(Section, frozen=True):
    """`[uplink]`: bytes a UTC day, MQTT messages as they go on the wire. 0: no limit.

    Near the limit streams publish less: every_inference becomes events, then counts.
    """

    daily_mb: Annotated[float, Meta(ge=0.0, le=1_000_000.0)] = 0.0


class InferenceOptions(Section, frozen=True):
    """`[inference]`: workers (0: one a core), and the engine that all packs must run on.

    `engine` `auto`: each pack's own. Which engines there are, `infer.engines` says.
    """

    workers: Annotated[int, Meta(ge=0, le=64)] = 0
    engine: str = "auto"


class ModesOptions(Section, frozen=True):
    """`[modes]`: what switches sets of rules; the first one holds until a command names another.

    A rule that lists `modes` is on in these alone.
    """

    names: Annotated[tuple[Name, ...], Meta(max_length=16)] = ()


def host_level(host: str) -> str:
    """Make a host name fit for a topic level: [a-z0-9-]{1,32}."""
    return re.sub(r"[^a-z0-9-]+", "-", host.lower().partition(".")[0])[:32].strip("-") or "device"
