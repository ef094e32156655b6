"""What an exercise is: a site with one fault, how it can be handled, how it is judged.

Plain data throughout, so that an office writes exercises of its own as TOML files. In the texts of
files (`config`, `Extra`) `$name` stands for a value of the site: see `values.py`.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from edge_runtime.options.base import Kind, Name, Section
from edge_runtime.practice.conditions import Condition

Text: TypeAlias = Annotated[str, Meta(min_length=1)]
Need: TypeAlias = Literal["mosquitto", "cryptography", "office", "file-rights", "clock"]
Waveform: TypeAlias = tuple[float, float, float]  # mean, swing, seconds a period


class LineSensor(Kind, frozen=True, tag="lines"):
    """A sensor that sends a line of text every `every_s`: its values, joined by `separator`."""

    name: Name
    values: tuple[Waveform, ...]
    baud: int = 9600
    every_s: float = 0.5
    digits: int = 1
    separator: str = ";"
    decimal: str = "."
    plugged: bool = True


class MeterRegister(Section, frozen=True):
    """A value of a Modbus meter at an address of its input registers."""

    address: int
    value: Waveform
    type: Literal["uint16", "float32"] = "float32"
    low_word_first: bool = False


class ModbusMeter(Kind, frozen=True, tag="modbus"):
    """A meter that answers to one device number."""

    name: Name
    registers: tuple[MeterRegister, ...]
    device: int = 1
    baud: int = 9600
    plugged: bool = True


class GnssReceiver(Kind, frozen=True, tag="gnss"):
    """A receiver that sends RMC and GGA once a second; without a fix they are empty."""

    name: Name
    latitude: float
    longitude: float
    baud: int = 9600
    has_fix: bool = True
    plugged: bool = True


PortDevice: TypeAlias = LineSensor | ModbusMeter | GnssReceiver


class NetworkCamera(Section, frozen=True):
    """A camera that shows a simulated road at `rtsp://user:password@127.0.0.1:$camera_port/path`.

    `covered`: something hangs before its lens, and it shows that.
    """

    path: str = "stream1"
    user: str = ""
    password: str = ""
    rate_fps: float = 8.0
    powered: bool = True
    covered: bool = False


class BrokerAccount(Section, frozen=True):
    """A user of the broker and the topic filters that it may write and read (none: all)."""

    user: str
    password: str
    topics: tuple[str, ...] = ()


class ServerCertificate(Section, frozen=True):
    """The broker's certificate: whose it is, and the days from now in which it is valid."""

    names: tuple[str, ...]
    from_day: float = -1.0
    to_day: float = 30.0


class CaFile(Section, frozen=True):
    """A file of the site with the certificate of the office's CA, or of the one it had before."""

    path: str
    is_old: bool = False


class BrokerSetup(Section, frozen=True):
    """The office's broker. With a certificate it speaks TLS, signed by a CA of the site's own.

    `relayed`: the board's broker stands at the site, and a link that loses records joins it to the
    office's. `managed`: the broker and the enrolment are those of `edge-runtime office`.
    """

    running: bool = True
    certificate: ServerCertificate | None = None
    ca_files: tuple[CaFile, ...] = ()
    accounts: tuple[BrokerAccount, ...] = ()
    relayed: bool = False
    managed: bool = False


class Extra(Section, frozen=True):
    """A file of the site, below its folder."""

    path: str
    content: str


class PackCopy(Section, frozen=True):
    """A copy of a bundled model pack; a damaged one has a byte of its weights changed."""

    path: str
    pack: str = "village-road"
    damaged: bool = False


class BoardSetup(Section, frozen=True):
    """A board. `writable` False: its state folder may not be written."""

    config: Text
    writable: bool = True


class Look(Kind, frozen=True, tag="look"):
    """An action that changes nothing."""


class PlugIn(Kind, frozen=True, tag="plug-in"):
    """Connects a device's cable."""

    device: Name


class FreeSky(Kind, frozen=True, tag="free-sky"):
    """Gives a GNSS receiver a free sky."""

    device: Name


class CameraPower(Kind, frozen=True, tag="camera-power"):
    """Gives the camera power."""


class CameraUncover(Kind, frozen=True, tag="camera-uncover"):
    """Takes away what hangs before the camera's lens."""


class StartBroker(Kind, frozen=True, tag="start-broker"):
    """Has the office start its broker."""


class NewCertificate(Kind, frozen=True, tag="new-certificate"):
    """Has the office give its broker another certificate."""

    certificate: ServerCertificate


Effect: TypeAlias = (
    Look | PlugIn | FreeSky | CameraPower | CameraUncover | StartBroker | NewCertificate
)


class SiteAction(Section, frozen=True):
    """Something that hands, eyes or a telephone call do; `seen` is what comes of it."""

    name: Name
    text: Text
    seen: Text
    effect: Effect = msgspec.field(default_factory=Look)


class WrongTurn(Section, frozen=True):
    """What to say to somebody who did what `when` describes."""

    when: Condition
    text: Text


class Exercise(Section, frozen=True, kw_only=True):
    """One exercise. `minutes`: what an expert takes. `hints`: from where to look to the cure.

    `office_commands` are run before the boards start; `commands` are shown to the person as well.
    """

    title: Text
    minutes: Annotated[int, Meta(ge=1, le=120)]
    goal: Text
    story: Text
    first_look: Text
    lesson: Text
    hints: Annotated[tuple[Text, ...], Meta(min_length=2)]
    boards: Annotated[tuple[BoardSetup, ...], Meta(min_length=1)]
    goals: Annotated[tuple[Condition, ...], Meta(min_length=1)]
    broker: BrokerSetup = BrokerSetup()
    devices: tuple[PortDevice, ...] = ()
    camera: NetworkCamera | None = None
    extras: tuple[Extra, ...] = ()
    packs: tuple[PackCopy, ...] = ()
    office_commands: tuple[tuple[str, ...], ...] = ()
    commands: tuple[str, ...] = ()
    actions: tuple[SiteAction, ...] = ()
    wrong_turns: tuple[WrongTurn, ...] = ()
    listen_s: float = 8.0

    @property
    def needs(self) -> tuple[Need, ...]:
        """What the machine must have for it, besides any broker."""
        found: list[Need] = []
        if self.broker.managed or self.broker.certificate or self.broker.accounts:
            found.append("mosquitto")
        if self.broker.certificate:
            found.append("cryptography")
        if self.broker.managed:
            found.append("office")
        certificate = self.broker.certificate
        if certificate and not certificate.from_day < 0.0 < certificate.to_day:
            found.append("clock")
        if not all(board.writable for board in self.boards):
            found.append("file-rights")
        return tuple(found)
