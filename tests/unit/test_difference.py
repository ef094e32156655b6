"""What a change of the configuration touches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from edge_runtime.daemon.difference import difference
from edge_runtime.daemon.loading import LoadedConfig
from edge_runtime.errors import RawText
from edge_runtime.manifest import Pack
from edge_runtime.options import (
    BrokerOptions,
    Config,
    DelegateOptions,
    DeviceOptions,
    InferenceOptions,
    LineOptions,
    LinesOptions,
    ModelOptions,
    MotionOptions,
    OutboxOptions,
    PublishOptions,
    SerialOptions,
    StreamOptions,
    SyntheticOptions,
    ThresholdOptions,
    TrackOptions,
    UplinkOptions,
)
from edge_runtime.options.framing import ColumnOptions
from edge_runtime.stream.baseline import EffectiveRules
from edge_runtime.stream.setup import setups_of
from support.engine import road_pack

LINE = LineOptions("milestone", (0.5, 0.0), (0.5, 1.0))
FLOOD = ThresholdOptions("flood", "level", above=3.0)
ROAD = StreamOptions("road", SyntheticOptions(), model=ModelOptions("village-road"), rules=(LINE,))
WELL = StreamOptions(
    "well",
    SerialOptions("/dev/ttyUSB0", LinesOptions((ColumnOptions("level"),))),
    rules=(FLOOD,),
)
CONFIG = Config(DeviceOptions("hill", "gate"), BrokerOptions("mqtt://b.example"), (ROAD, WELL))


def loaded(config: Config, pack: Pack | None = None) -> LoadedConfig:
    packs = {one.name: pack or road_pack() for one in config.streams if one.has_model}
    return LoadedConfig(config, packs, setups_of(config, packs))


def with_stream(at: int, **changes: Any) -> Config:
    streams = list(CONFIG.streams)
    streams[at] = replace(streams[at], **changes)
    return replace(CONFIG, streams=tuple(streams))


@pytest.mark.parametrize(
    ("changes", "action"),
    [
        ({}, "keep"),
        ({"rules": (replace(LINE, end=(0.6, 1.0)),)}, "exchange"),
        ({"rules": ()}, "exchange"),
        ({"gate": MotionOptions()}, "exchange"),
        ({"rate": "adaptive"}, "exchange"),
        ({"track": TrackOptions(min_hits=2)}, "exchange"),
        ({"publish": PublishOptions("interval", "cbor", 5.0)}, "exchange"),
        ({"model": ModelOptions("village-road", min_score=0.3)}, "exchange"),
        ({"model": ModelOptions("village-road", labels=("person",))}, "exchange"),
        ({"model": ModelOptions("village-road", iou=0.4)}, "restart"),
        ({"model": ModelOptions("village-road", delegate=DelegateOptions("x.so"))}, "restart"),
        ({"source": SyntheticOptions(seed=2)}, "restart"),
        ({"source": WELL.source, "rules": (), "model": None}, "restart"),
    ],
)
def test_a_stream_of_pictures(changes: dict[str, Any], action: str) -> None:
    plan = difference(loaded(CONFIG), loaded(with_stream(0, **changes)))
    assert [(step.name, step.action) for step in plan.streams] == [
        ("road", action),
        ("well", "keep"),
    ]
    assert (plan.link, plan.outbox, plan.pool) == ("announce", "keep", "keep")


@pytest.mark.parametrize(
    ("changes", "action"),
    [
        ({"rules": (replace(FLOOD, above=3.5),)}, "exchange"),
        ({"publish": PublishOptions(dead_band={"level": 0.1})}, "exchange"),
        ({"source": replace(WELL.source, baud=9600)}, "restart"),
    ],
)
def test_a_sensors_stream(changes: dict[str, Any], action: str) -> None:
    plan = difference(loaded(CONFIG), loaded(with_stream(1, **changes)))
    assert [step.action for step in plan.streams] == ["keep", action]


def test_streams_come_and_go_alone_and_stand_in_the_new_order() -> None:
    lane = replace(ROAD, name="lane")
    plan = difference(loaded(CONFIG), loaded(replace(CONFIG, streams=(WELL, lane))))
    assert [(step.name, step.action) for step in plan.streams] == [
        ("well", "keep"),
        ("lane", "start"),
        ("road", "stop"),
    ]
    assert plan.summary == "started: lane; stopped: road"


def test_what_was_found_on_the_board_counts_as_what_is_configured(tmp_path: Path) -> None:
    old = loaded(CONFIG)
    learnt = EffectiveRules((replace(FLOOD, above=2.0),), RawText("of today"))
    heard = replace(old, setups=(old.setups[0], replace(old.setups[1], limits=learnt)))
    assert difference(old, heard).named("exchange") == {"well"}
    moved = replace(road_pack(), folder=tmp_path)
    assert difference(old, loaded(CONFIG, moved)).named("restart") == {"road"}
    upgraded = replace(old, setups=(replace(old.setups[0], model_hash="b"), old.setups[1]))
    assert difference(old, upgraded).named("restart") == {"road"}


def test_what_does_not_work_is_tried_again_where_that_is_asked_for() -> None:
    assert difference(loaded(CONFIG), loaded(CONFIG), {"well"}).named("restart") == {"well"}


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (lambda c: replace(c, broker=replace(c.broker, keepalive_s=30)), "reconnect keep keep"),
        (lambda c: replace(c, device=DeviceOptions("hill", "yard")), "reconnect keep keep"),
        (lambda c: replace(c, outbox=OutboxOptions(max_mb=8)), "reconnect reopen keep"),
        (lambda c: replace(c, inference=InferenceOptions(workers=3)), "announce keep resize"),
        (lambda c: replace(c, uplink=UplinkOptions(5.0)), "announce keep keep"),
    ],
)
def test_the_devices_own_parts(change: Callable[[Config], Config], parts: str) -> None:
    plan = difference(loaded(CONFIG), loaded(change(CONFIG)))
    assert f"{plan.link} {plan.outbox} {plan.pool}" == parts
    assert not plan.named("restart", "start", "stop")


def test_a_days_limit_lets_streams_come_to_need_a_tracker() -> None:
    plan = difference(loaded(CONFIG), loaded(replace(CONFIG, uplink=UplinkOptions(5.0))))
    assert plan.named("exchange") == {"road", "well"}
    more = replace(CONFIG, uplink=UplinkOptions(6.0))
    assert not difference(loaded(replace(CONFIG, uplink=UplinkOptions(5.0))), loaded(more)).named(
        "exchange"
    )
