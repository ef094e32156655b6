"""What has to be done so that a running device comes to run another configuration. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, TypeAlias

import msgspec

from edge_runtime.daemon.loading import LoadedConfig
from edge_runtime.stream.setup import StreamSetup

StreamAction: TypeAlias = Literal["keep", "exchange", "restart", "start", "stop"]
"""exchange: rules, thresholds, gate, publishing, while the source stays open and tracks go on."""

LinkAction: TypeAlias = Literal["announce", "reconnect"]
"""announce: another birth on the link that stands."""

OutboxAction: TypeAlias = Literal["keep", "reopen"]
PoolAction: TypeAlias = Literal["keep", "resize"]


DONE: dict[StreamAction, str] = {
    "exchange": "changed as they run",
    "restart": "restarted",
    "start": "started",
    "stop": "stopped",
}


class StreamStep(msgspec.Struct, frozen=True):
    """What is done about one stream, and how it runs then (of one that stops: how it ran)."""

    action: StreamAction
    setup: StreamSetup

    @property
    def name(self) -> str:
        """The stream's name."""
        return self.setup.name


class Plan(msgspec.Struct, frozen=True):
    """The way to another configuration: its streams in order, then those that are gone."""

    streams: tuple[StreamStep, ...]
    link: LinkAction = "announce"
    outbox: OutboxAction = "keep"
    pool: PoolAction = "keep"

    def named(self, *actions: StreamAction) -> frozenset[str]:
        """Return the streams about which one of these is done."""
        return frozenset(step.name for step in self.streams if step.action in actions)

    @property
    def summary(self) -> str:
        """What is done, for the log."""
        parts = []
        for action, words in DONE.items():
            if names := [step.name for step in self.streams if step.action == action]:
                parts.append(f"{words}: {', '.join(names)}")
        if self.outbox == "reopen":
            parts.append("outbox opened anew")
        if self.link == "reconnect":
            parts.append("link connected anew")
        return "; ".join(parts) or "no stream is touched"


def difference(old: LoadedConfig, new: LoadedConfig, failing: Collection[str] = ()) -> Plan:
    """Return what leads from one configuration to another.

    `failing` names the streams that do not work and are to be tried again, changed or not.
    """
    before = {setup.name: setup for setup in old.setups}
    steps = [step_of(before.pop(one.name, None), one, one.name in failing) for one in new.setups]
    steps += [StreamStep("stop", gone) for gone in before.values()]
    reopens = old.config.outbox != new.config.outbox
    return Plan(
        tuple(steps),
        link="reconnect" if reopens or link_of(old) != link_of(new) else "announce",
        outbox="reopen" if reopens else "keep",
        pool="resize" if old.config.inference.workers != new.config.inference.workers else "keep",
    )


def step_of(before: StreamSetup | None, now: StreamSetup, is_failing: bool) -> StreamStep:
    """Return what is done about a stream of the new configuration."""
    if before is None:
        return StreamStep("start", now)
    if is_failing or not now.runs_as(before):
        return StreamStep("restart", now)
    return StreamStep("keep" if now == before else "exchange", now)


def link_of(loaded: LoadedConfig) -> tuple[object, ...]:
    """Return what a link depends on: where the broker is, and who this device is to it."""
    config = loaded.config
    return (config.broker, config.device.site, config.device.level)
