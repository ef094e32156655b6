"""What a new board is to do: from the answers' file, from what is plugged in, from questions."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec

from edge_runtime.doctor.camera import is_camera
from edge_runtime.errors import ConfigError, UsageError, because
from edge_runtime.language import Language
from edge_runtime.options import ModelOptions
from edge_runtime.packs.store import PackStore
from edge_runtime.provision.errors import ProvisionError
from edge_runtime.toml_file import parse_toml

# Asks a question with a default answer (empty: none), and returns what is answered.
Ask: TypeAlias = Callable[[str, str], str]

SETTLED = ("device", "broker")
USABLE = ("installed", "bundled")


class Plugged(msgspec.Struct, frozen=True):
    """The devices of a board by names that stay theirs, whatever is plugged in beside them."""

    cameras: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()


def plugged_in(root: Path = Path("/")) -> Plugged:
    """Look at what is there."""
    nodes = [node for node in sorted((root / "dev").glob("video*")) if is_camera(node)]
    by_id = {link.resolve(): link for link in sorted((root / "dev/v4l/by-id").glob("*"))}
    ports = sorted((root / "dev/serial/by-id").glob("*"))
    return Plugged(
        tuple(str(by_id.get(node.resolve(), node)) for node in nodes), tuple(map(str, ports))
    )


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


class Questions:
    """Makes a stream of what is plugged in; asks only what cannot be known."""

    def __init__(
        self, plugged: Plugged, packs: PackStore, language: Language, ask: Ask | None
    ) -> None:
        self._plugged = plugged
        self._packs = packs
        self._language = language
        self._ask = ask

    def stream(self) -> str:
        """Return a `[[streams]]` table. Raises ProvisionError where nobody may be asked."""
        devices = [*self._plugged.cameras, *self._plugged.ports]
        if not devices:
            raise ProvisionError(
                "no camera and no serial port is plugged in: plug one in, or describe the "
                "streams in a file for --answers"
            )
        device = devices[0]
        if len(devices) > 1 or device in self._plugged.ports:
            device = self._chosen(self._language.text("Which device is to be used?"), devices)
        return self._camera(device) if device in self._plugged.cameras else self._port(device)

    def _camera(self, device: str) -> str:
        listed = [one for one in self._packs.list() if one.state in USABLE]
        packs = [one.name for one in listed if one.task in ("detection", "classification", "pose")]
        if not packs:
            raise ProvisionError(
                "no model pack is on this board: `edge-runtime models pull NAME` gets one"
            )
        packs.sort(key=lambda name: name != ModelOptions().pack)
        question = self._language.text("Which model looks at the pictures?")
        pack = packs[0] if self._ask is None else self._chosen(question, packs)
        return table("camera", f'{{ kind = "camera", device = {json.dumps(device)} }}') + (
            f'gate = {{ kind = "motion" }}\nmodel = {{ pack = {json.dumps(pack)} }}\n'
        )

    def _port(self, device: str) -> str:
        baud = self._asked(self._language.text("The sensor's speed in baud?"), "9600")
        names = self._asked(
            self._language.text("The names of the values in a line, with commas between them?"), ""
        )
        columns = ", ".join(
            f"{{ name = {json.dumps(name.strip())} }}" for name in names.split(",") if name.strip()
        )
        source = (
            f'{{ kind = "serial", url = {json.dumps(device)}, baud = {number(baud)}, '
            f'framing = {{ kind = "lines", columns = [{columns}] }} }}'
        )
        return table("sensor", source)

    def _chosen(self, question: str, among: Sequence[str]) -> str:
        """Let a person choose; a number of the list will do."""
        listed = "\n".join(f"  {number}. {one}" for number, one in enumerate(among, 1))
        answer = self._asked(f"{question}\n{listed}\n", "1")
        if answer in among:
            return answer
        if answer.isdecimal() and 1 <= int(answer) <= len(among):
            return among[int(answer) - 1]
        return self._chosen(question, among)

    def _asked(self, question: str, default: str) -> str:
        if self._ask is None:
            raise ProvisionError(
                "this must be answered by a file for --answers: {question}",
                question=question.partition("\n")[0],
            )
        return self._ask(question, default).strip()


def table(name: str, source: str) -> str:
    """Return the beginning of a stream's table."""
    return f'[[streams]]\nname = "{name}"\nsource = {source}\n'


def number(text: str) -> int:
    """Return a whole number; 0, which no check lets through, for anything else."""
    return int(text) if text.isdecimal() else 0
