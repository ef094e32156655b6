"""All that decides how one stream runs: what two configurations are compared by."""

from __future__ import annotations

import msgspec

from edge_runtime.manifest import Pack
from edge_runtime.options import Config, StreamOptions
from edge_runtime.records import CAMERA_ALARM, NO_MODEL
from edge_runtime.stream.baseline import Baselines, EffectiveRules, effective_rules


class StreamSetup(msgspec.Struct, frozen=True):
    """One stream of a configuration, with what was found for it on this board.

    `limits`: a sensor's rules with what was learnt on site. `may_publish_less`: near the day's
    limit it comes to publish events or counts. `model_hash`: of all that running the model depends
    on, an accelerator's library included; empty where nobody compares. `sharers`: how many streams
    have its camera, which is opened once for all of them. `time_zone`: of its hours.
    """

    options: StreamOptions
    pack: Pack | None = None
    forced_engine: str = "auto"
    limits: EffectiveRules | None = None
    may_publish_less: bool = False
    model_hash: str = ""
    sharers: int = 1
    time_zone: str = ""

    @property
    def name(self) -> str:
        """The stream's name."""
        return self.options.name

    @property
    def is_sensor(self) -> bool:
        """Whether it gives rows rather than pictures."""
        return self.options.sensor is not None

    def runs_as(self, other: StreamSetup) -> bool:
        """Say whether another setup differs in nothing but what is exchanged while it runs."""
        return self._fixed() == other._fixed()

    def _fixed(self) -> tuple[object, ...]:
        source = self.options.source
        if not self.options.has_model:
            return (source, self.sharers)
        watches = self.options.watches_camera
        assert self.pack is not None
        use = self.options.model_use
        pack = (self.pack.folder, self.pack.manifest, self.pack.labels)
        model = (pack, use.iou, use.accelerator, self.forced_engine, self.model_hash)
        return (source, self.sharers, watches, *model)


def setups_of(
    config: Config, packs: dict[str, Pack], baselines: Baselines | None = None
) -> tuple[StreamSetup, ...]:
    """Return the setup of each stream."""
    devices = [one.source.shared_device for one in config.streams if one.source.shared_device]
    return tuple(
        StreamSetup(
            stream,
            pack := packs.get(stream.name),
            config.inference.engine,
            effective_rules(stream, pack.ref if pack is not None else NO_MODEL, baselines)
            if stream.sensor is not None
            else None,
            may_publish_less=config.uplink.daily_mb > 0,
            sharers=max(1, devices.count(stream.source.shared_device)),
            time_zone=config.device.time_zone,
        )
        for stream in config.streams
    )


def alarm_names(stream: StreamOptions) -> list[str]:
    """Return the names under which a stream may have open alarms, its camera's fault included."""
    names = [rule.name for rule in stream.thresholds]
    return [*names, CAMERA_ALARM] if stream.watches_camera else names
