"""What a check saw: what reached the office meanwhile, and what the board's own commands say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from edge_runtime.encode.reader import Decoded


class DoctorTold(msgspec.Struct, frozen=True):
    """A finding as `doctor --json` tells it."""

    check: str
    state: str
    text: str
    advice: str = ""

    def of(self, check: str) -> bool:
        """Say whether it is of a check, or of one of its parts (`camera/gate`)."""
        return self.check == check or self.check.startswith(f"{check}/")


class ArrivedRecord(msgspec.Struct, frozen=True):
    """A record that reached the office, and when by the clock."""

    decoded: Decoded
    at_s: float

    @property
    def device(self) -> str:
        """The name of the device that sent it."""
        return self.decoded.device


class Evidence(msgspec.Struct, kw_only=True):
    """All that one check goes by."""

    arrivals: list[ArrivedRecord] = []
    listened_s: float = 0.0
    status_before: dict[str, Any] | None = None
    status: dict[str, Any] | None = None
    findings: list[DoctorTold] = []
    facts: dict[str, int] = {}
    config: dict[str, Any] | None = None

    def of(self, stream: str, kind: str) -> Iterator[ArrivedRecord]:
        """Yield what came of a stream; `kind` empty: any."""
        for one in self.arrivals:
            if one.decoded.stream == stream and kind in ("", one.decoded.kind):
                yield one

    def events(self, stream: str) -> list[dict[str, Any]]:
        """Return the payloads of a stream's events."""
        return [one.decoded.payload for one in self.of(stream, "event")]

    def values(self, stream: str, channel: str) -> list[float]:
        """Return the values of a sensor's channel, the latest last."""
        found = []
        for one in self.of(stream, "reading"):
            pack = one.decoded.payload
            found += [
                float(item["v"])
                for item in (pack if isinstance(pack, list) else [])
                if str(item.get("n", "")).rpartition("/")[2] == channel and "v" in item
            ]
        return found

    def ages_s(self, stream: str) -> list[float]:
        """Return how old each record of a stream was when it came."""
        found = []
        for one in self.of(stream, ""):
            payload = one.decoded.payload
            if isinstance(payload, list):
                payload = {"ts": payload[0].get("bt")} if payload else {}
            if isinstance(payload.get("ts"), int | float):
                found.append(one.at_s - payload["ts"])
        return found

    def configured(self, place: str) -> Any:
        """Return a value of the board's file by its dotted place; None where it has none."""
        value: Any = self.config
        for part in place.split("."):
            if isinstance(value, list) and part.isdigit() and int(part) < len(value):
                value = value[int(part)]
            elif isinstance(value, dict):
                value = value.get(part)
            else:
                return None
        return value
