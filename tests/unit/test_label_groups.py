"""One thing that a model calls now by one label, now by another, is one thing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edge_runtime.boxes import Box
from edge_runtime.decode.nms import without_doubles
from edge_runtime.errors import PackError
from edge_runtime.label_groups import LabelGroups
from edge_runtime.options import CountOptions, DwellOptions, LineOptions, RuleOptions, ZoneOptions
from edge_runtime.packs.manifest_file import open_pack
from edge_runtime.records import Counts, Detection, Detections
from support.drives import LABELS, found, told, tracks, watched
from support.road import PACK
from support.walks import LOWER_HALF

COCO = ("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "cat", "dog")
GATE = LineOptions(name="gate", start=(0.0, 0.5), end=(1.0, 0.5))
COUNT = CountOptions(name="n", every_s=60)
FRAMES = 60


def at(number: int, x: float = 0.5) -> Box:
    """A box whose foot goes down the picture, over the gate."""
    foot = 0.25 + 0.5 * number / FRAMES
    return x - 0.08, foot - 0.18, x + 0.08, foot


def seen_as(label_of: Callable[[int], str]) -> list[tuple[Detection, ...]]:
    return [(found(label_of(number), at(number), 0.75),) for number in range(FRAMES)]


def counted(bodies: list[object]) -> list[tuple[str, int, int]]:
    return [
        (LABELS[line.class_id], line.entered, line.most)
        for body in bodies
        if isinstance(body, Counts)
        for line in body.labels
    ]


BY_TURNS = seen_as(lambda n: "car" if n % 2 else "truck")
BOTH = [
    (found("car", at(number), 0.72), found("truck", at(number), 0.61)) for number in range(FRAMES)
]


@pytest.mark.parametrize(
    ("seen", "label"),
    [
        (seen_as(lambda n: "car"), "car"),
        (BY_TURNS, "truck"),
        (seen_as(lambda n: "car" if n // 4 % 2 else "truck"), "truck"),
        (BOTH, "car"),
        (seen_as(lambda n: "car" if n < 27 else "truck"), "car"),
    ],
    ids=["steady", "by turns", "four each", "both at once", "turned at the line"],
)
def test_a_vehicle_of_two_labels_crosses_and_is_counted_once(
    seen: list[tuple[Detection, ...]], label: str
) -> None:
    bodies = watched(seen, GATE, COUNT)
    assert told(bodies) == [("cross", "in", label)]
    assert counted(list(bodies)) == [(label, 1, 1)]


@pytest.mark.parametrize(
    "rule",
    [
        lambda label: LineOptions("l", (0.0, 0.5), (1.0, 0.5), labels=(label,)),
        lambda label: ZoneOptions("z", LOWER_HALF, labels=(label,)),
        lambda label: DwellOptions("d", LOWER_HALF, after_s=0.5, labels=(label,)),
        lambda label: CountOptions("c", 60, labels=(label,)),
    ],
    ids=["line", "zone", "dwell", "count"],
)
@pytest.mark.parametrize("turn", range(6, 54, 8))
def test_who_turns_out_to_be_something_else_is_told_by_one_of_two_rules(
    rule: Callable[[str], RuleOptions], turn: int
) -> None:
    seen = seen_as(lambda n: "car" if n < turn else "truck")
    bodies = watched([*seen, *[seen[-1]] * 40], rule("car"), rule("truck"))
    if entries := [entered for _, entered, _ in counted(list(bodies))]:
        assert sum(entries) == 1
    else:
        events = [event for event, _, _ in told(bodies)]
        assert events in (["cross"], ["dwell"], ["enter", "exit"])
        assert len({label for _, _, label in told(bodies)}) == 1


def test_the_stream_s_labels_ask_what_a_track_is_and_not_each_of_its_boxes() -> None:
    mostly = seen_as(lambda n: "truck" if n % 3 == 1 else "car")
    assert told(watched(mostly, GATE, wanted=("car",))) == [("cross", "in", "car")]
    assert told(watched(mostly, GATE, wanted=("truck",))) == []
    assert told(watched(mostly, wanted=("car",))) == [("enter", "", "car"), ("exit", "", "car")]
    assert counted(list(watched(mostly, COUNT, wanted=("car",)))) == [("car", 1, 1)]
    assert counted(list(watched(mostly, COUNT, wanted=("truck",)))) == []


@pytest.mark.parametrize(
    ("one", "other"), [("person", "motorbike"), ("person", "car"), ("motorbike", "car")]
)
def test_things_of_different_groups_stay_two_in_one_place(one: str, other: str) -> None:
    seen = [(found(one, at(n), 0.9), found(other, at(n), 0.8)) for n in range(FRAMES)]
    assert sorted(label for _, _, label in told(watched(seen, GATE))) == sorted((one, other))


def test_a_car_before_a_truck_and_one_beside_it_stay_two() -> None:
    for x, w, h in ((0.5, 0.1, 0.1), (0.58, 0.16, 0.18)):
        seen = []
        for number in range(FRAMES):
            x1, y1, x2, y2 = at(number)
            small = found("car", (x - w / 2, y2 - h, x + w / 2, y2), 0.8)
            seen.append((found("truck", (x1, y1, x2, y2), 0.9), small))
        bodies = watched(seen, GATE)
        assert sorted(label for _, _, label in told(bodies)) == ["car", "truck"]
        assert len(tracks(bodies)) == 2


def test_of_two_labels_on_one_box_the_better_one_stays() -> None:
    bus, car, far, person = 5, 2, 7, 0
    box, beside = (0.2, 0.2, 0.6, 0.6), (0.35, 0.3, 0.65, 0.6)
    found_here = tuple(
        Detection(class_id, score, where)
        for class_id, score, where in (
            (bus, 0.9, box), (car, 0.8, (0.21, 0.2, 0.6, 0.61)), (far, 0.7, beside),
            (person, 0.6, box), (bus, 0.5, box),
        )
    )  # fmt: skip
    kept = without_doubles(Detections(found_here), LabelGroups(COCO)).objects
    # The second bus is for the class-wise suppression to judge.
    assert kept == (found_here[0], found_here[2], found_here[3], found_here[4])


def test_which_labels_stand_for_each_other() -> None:
    groups = LabelGroups(COCO)
    joined = [{COCO[i] for i in groups.widened(frozenset({COCO.index(name)}))} for name in COCO]
    assert joined == [
        {"person"}, {"bicycle", "motorcycle"}, {"car", "bus", "truck"}, {"bicycle", "motorcycle"},
        {"airplane"}, {"car", "bus", "truck"}, {"train"}, {"car", "bus", "truck"}, {"cat", "dog"},
        {"cat", "dog"},
    ]  # fmt: skip
    assert not LabelGroups(("person", "car"))
    spelt = LabelGroups(("Pickup-Truck", "CAR"))
    assert spelt.of(1) == spelt.of(0)


def test_a_pack_s_own_groups_go_before_the_table() -> None:
    apart = LabelGroups(COCO, [["car"], ["train", "airplane"]])
    car, bus, truck = map(COCO.index, ("car", "bus", "truck"))
    assert apart.of(car) == car
    assert apart.of(bus) == apart.of(truck) != car
    assert apart.of(COCO.index("train")) == apart.of(COCO.index("airplane"))


@pytest.mark.parametrize(
    ("groups", "fault"),
    [
        ('[["car", "lorry"]]', "output.groups[0][1]: 'lorry' is not in labels.txt"),
        ('[["car", "truck"], ["car"]]', "output.groups[1][0]: 'car' stands in a group already"),
        ('[["car", "car"]]', "output.groups[0][1]: 'car' stands in a group already"),
        ("[[]]", "output.groups[0]"),
    ],
)
def test_a_pack_s_groups_are_checked(tmp_path: Path, groups: str, fault: str) -> None:
    for file in PACK.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    manifest = (PACK / "pack.toml").read_text().partition("[golden]")[0]
    right = manifest.replace("[output]", '[output]\ngroups = [["car", "truck"], ["person"]]')
    (tmp_path / "pack.toml").write_text(right)
    assert open_pack(tmp_path).manifest.output.groups == (("car", "truck"), ("person",))
    (tmp_path / "pack.toml").write_text(
        manifest.replace("[output]", f"[output]\ngroups = {groups}")
    )
    with pytest.raises(PackError) as error:
        open_pack(tmp_path)
    assert fault in str(error.value)
