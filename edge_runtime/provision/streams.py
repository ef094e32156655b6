"""What a new board is to do: from the answers' file, from what is plugged in, from questions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from edge_runtime.errors import ConfigError, Text, UsageError, because, row
from edge_runtime.jobs.camera_trial import options_of, with_password
from edge_runtime.language import Language
from edge_runtime.options import CameraOptions, ModelOptions, SerialOptions
from edge_runtime.packs.store import ListedPack
from edge_runtime.provision.asking import Asker, Conversation
from edge_runtime.provision.errors import ProvisionError
from edge_runtime.provision.plugged import Plugged
from edge_runtime.toml_file import parse_toml, value_faults

SETTLED = ("device", "broker")
USABLE = ("installed", "bundled")
NETWORK = "network"  # in a list of devices: the one whose URL is asked for


class CameraTrial(msgspec.Struct, frozen=True):
    """What came of looking at a camera, in the person's language."""

    gives_pictures: bool
    text: str


# Looks at a camera as the daemon would.
TryCamera: TypeAlias = Callable[[CameraOptions], CameraTrial]


def answered(file: Path) -> str:
    """Return an answers' file: a configuration without what the claim settles."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(
            "{file}: cannot be read ({reason})", file=file, reason=because(error)
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(
            "{file}: not UTF-8 text; save the file again with the encoding UTF-8", file=file
        ) from None
    raw = parse_toml(text, file, ConfigError)
    for table in SETTLED:
        if table in raw:
            raise ConfigError(
                "{file}: {key}: the claim settles this table; remove it", file=file, key=table
            )
    return text


def packs_for_pictures(packs: Sequence[ListedPack]) -> list[ListedPack]:
    """Return the packs that are usable here and look at pictures, the usual one first."""
    usable = [one for one in packs if one.state in USABLE and one.input_kind == "image"]
    return sorted(usable, key=lambda one: one.name != ModelOptions().pack)


def streams_unasked(plugged: Plugged, packs: Sequence[ListedPack]) -> str:
    """Return the stream of a board where nobody may be asked. Raises ProvisionError."""
    if plugged.only_camera is not None:
        return camera_table("camera", plugged.only_camera, usual_pack(packs).name)
    if not plugged.cameras and not plugged.ports:
        raise ProvisionError(
            "no camera and no serial port is plugged in: plug one in, or describe the "
            "streams in a file for --answers"
        )
    raise ProvisionError(
        "which device is to be used cannot be asked here ({devices}): describe the streams in a "
        "file for --answers",
        devices=", ".join([*plugged.cameras, *plugged.ports]),
    )


def usual_pack(packs: Sequence[ListedPack]) -> ListedPack:
    """Return the pack that is taken where nothing else is said. Raises ProvisionError."""
    if not (found := packs_for_pictures(packs)):
        raise ProvisionError(
            "no model pack for pictures is on this board: `edge-runtime models pull NAME` gets one"
        )
    return found[0]


class Questions:
    """Makes the streams of what is there, one after the other; asks only what cannot be known."""

    def __init__(
        self,
        plugged: Plugged,
        packs: Sequence[ListedPack],
        language: Language,
        asker: Asker,
        try_camera: TryCamera,
    ) -> None:
        self._left = plugged
        self._packs = packs
        self._language = language
        self._asker = asker
        self._talk = Conversation(asker, language)
        self._try = try_camera
        self._names: list[str] = []

    def streams(self) -> str:
        """Return the `[[streams]]` tables: one, and as many more as are wanted."""
        tables = [self._first()]
        while self._asker.agree(self._language.text("Another camera or sensor?")):
            tables.append(self._one(self._device()))
        return "\n".join(tables)

    def _first(self) -> str:
        only = self._left.only_camera
        if only is None:
            return self._one(self._device())
        self._asker.tell(self._language.text("The camera is {device}.", device=only))
        return self._one(only)

    def _device(self) -> str:
        text, left = self._language.text, self._left
        listed = [
            *((one, text("{device} (camera)", device=one)) for one in left.cameras),
            *((one, text("{device} (serial port)", device=one)) for one in left.ports),
            *((one, text("{device} (serial port on the pins)", device=one)) for one in left.pins),
            (NETWORK, text("a camera in the network: its URL is asked for")),
        ]
        return self._talk.choose(text("Which device is to be used?"), listed)

    def _one(self, device: str) -> str:
        if device == NETWORK:
            return self._pictures(self._network_camera())
        is_camera = device in self._left.cameras
        self._left = self._left.without(device)
        return self._pictures(device) if is_camera else self._sensor(device)

    def _pictures(self, device: str) -> str:
        usual_pack(self._packs)
        packs = [(one.name, one.name) for one in packs_for_pictures(self._packs)]
        pack = packs[0][0]
        if len(packs) > 1:
            pack = self._talk.choose(
                self._language.text("Which model looks at the pictures?"), packs
            )
        return camera_table(self._name("camera"), device, pack)

    def _network_camera(self) -> str:
        """Ask for a URL until the camera gives pictures, or is wanted all the same."""
        question = self._language.text("The camera's URL (rtsp://… or http://…)?")
        while True:
            options = self._talk.until_good(question, "", self._camera_of)
            for _, doubt in options.warnings():
                self._asker.tell(self._language.text("note: {doubt}", doubt=doubt))
            self._asker.tell(self._language.text("looking at it …"))
            trial = self._try(options)
            self._asker.tell(trial.text)
            if trial.gives_pictures or self._is_wanted_all_the_same():
                return options.url

    def _is_wanted_all_the_same(self) -> bool:
        again = (False, self._language.text("type the URL again"))
        keep = (True, self._language.text("take it as it is: the camera is not ready yet"))
        return self._talk.choose(self._language.text("What now?"), [again, keep])

    def _camera_of(self, url: str) -> CameraOptions:
        """Return the camera of a URL. Raises UsageError."""
        options = options_of(url, {})
        if not options.is_network:
            raise UsageError(
                "a camera in the network has a URL, which begins with rtsp:// or http://"
            )
        asked = with_password(url, self._password)
        return options if asked == url else options_of(asked, {})

    def _password(self, user: str) -> str:
        return self._asker.secret(self._language.text("Password of {user}", user=user))

    def _sensor(self, port: str) -> str:
        baud = self._talk.until_good(
            self._language.text("The sensor's speed in baud?"),
            "9600",
            lambda answer: baud_of(port, answer),
        )
        names = self._talk.until_good(
            self._language.text("The names of the values in a line, with commas between them?"),
            "",
            lambda answer: names_of(port, baud, answer),
        )
        return sensor_table(self._name("sensor"), port, baud, names)

    def _name(self, kind: str) -> str:
        """Return a stream's name that no other one has: camera, camera-2, …"""
        count = sum(name.startswith(kind) for name in self._names)
        name = kind if count == 0 else f"{kind}-{count + 1}"
        self._names.append(name)
        return name


def baud_of(port: str, answer: str) -> int:
    """Return a speed that a port may have. Raises UsageError."""
    if not answer.isdecimal():
        raise UsageError("'{answer}' is no speed: a number such as 9600", answer=answer)
    refuse_faults(sensor_source(port, int(answer), ("value",)))
    return int(answer)


def names_of(port: str, baud: int, answer: str) -> tuple[str, ...]:
    """Return the names in a list with commas. Raises UsageError."""
    names = tuple(name.strip() for name in answer.split(",") if name.strip())
    if not names:
        raise UsageError("give at least one name, such as level")
    refuse_faults(sensor_source(port, baud, names))
    return names


def refuse_faults(source: dict[str, Any]) -> None:
    """Raise UsageError with what is wrong in a serial port's table; no file is named, none is."""
    if faults := list(faults_of(source)):
        raise UsageError(row(faults))


def faults_of(source: dict[str, Any]) -> Iterator[Text]:
    faults = value_faults(source, SerialOptions)
    for fault in faults:
        yield fault.text
    if not faults:
        for _, wrong in msgspec.convert(source, SerialOptions).problems():
            yield wrong


def sensor_source(port: str, baud: int, names: Sequence[str]) -> dict[str, Any]:
    """Return the `source` of a sensor that sends lines."""
    columns = [{"name": name} for name in names]
    framing = {"kind": "lines", "columns": columns}
    return {"kind": "serial", "url": port, "baud": baud, "framing": framing}


def sensor_table(name: str, port: str, baud: int, names: Sequence[str]) -> str:
    """Return the `[[streams]]` table of a sensor that sends lines."""
    columns = ", ".join(f"{{ name = {json.dumps(one)} }}" for one in names)
    source = (
        f'{{ kind = "serial", url = {json.dumps(port)}, baud = {baud}, '
        f'framing = {{ kind = "lines", columns = [{columns}] }} }}'
    )
    return table(name, source)


def camera_table(name: str, device: str, pack: str) -> str:
    """Return the `[[streams]]` table of a camera."""
    return table(name, f'{{ kind = "camera", device = {json.dumps(device)} }}') + (
        f'gate = {{ kind = "motion" }}\nmodel = {{ pack = {json.dumps(pack)} }}\n'
    )


def table(name: str, source: str) -> str:
    """Return the beginning of a stream's table."""
    return f'[[streams]]\nname = "{name}"\nsource = {source}\n'
