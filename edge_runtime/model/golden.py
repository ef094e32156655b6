"""A pack's golden case: what its model makes of an input, against what the pack promises."""

from __future__ import annotations

import json
from typing import Any, assert_never

from edge_runtime.errors import PackError, Text
from edge_runtime.manifest import GoldenSection, Pack
from edge_runtime.records import Anomaly, Classification, Decoded, Detections, Pose


class WrongResultError(PackError):
    """A model does not give the result that its pack promises."""

    def __init__(self, pack: Pack, wanted: str, got: str) -> None:
        super().__init__(
            Text(
                "{folder}: golden: the model does not give the result that the pack promises "
                "(expected {wanted}, got {got}); get the pack again",
                folder=pack.folder,
                wanted=wanted,
                got=got,
            )
        )
        self.wanted, self.got = wanted, got


def check_golden_file(decoded: Decoded, pack: Pack, golden: GoldenSection) -> None:
    """Raise WrongResultError where a result is not the expected one, PackError if that is none."""
    try:
        expected = json.loads((pack.folder / golden.expected).read_bytes())
        check_golden(decoded, expected, pack, golden)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        raise PackError(
            "{folder}: golden: {file} holds no result of such a model; get the pack again",
            folder=pack.folder,
            file=golden.expected,
        ) from None


def check_golden(
    decoded: Decoded, expected: dict[str, Any], pack: Pack, golden: GoldenSection
) -> None:
    """Raise WrongResultError where a result is off the expected one by more than the tolerance."""
    got = comparable(decoded, pack.labels)
    want = {key: expected.get(key, []) for key in got}
    if not alike(got, want, golden.tolerance):
        raise WrongResultError(pack, short(want), short(got))


def comparable(decoded: Decoded, labels: tuple[str, ...]) -> dict[str, Any]:
    """Return a record in the form of the golden file."""

    def name(class_id: int) -> str:
        return labels[class_id] if 0 <= class_id < len(labels) else f"#{class_id}"

    match decoded:
        case Detections(objects=objects):
            rows = [
                {"label": name(o.class_id), "score": o.score, "box": list(o.xyxy)} for o in objects
            ]
            return {"objects": sorted(rows, key=in_place)}
        case Classification(classes=classes):
            return {"classes": [{"label": name(c.class_id), "score": c.score} for c in classes]}
        case Pose(people=people):
            return {
                "people": [
                    {"score": p.score, "keypoints": [list(k) for k in p.keypoints]} for p in people
                ]
            }
        case Anomaly(score=score):
            return {"score": score}
        case _:
            assert_never(decoded)


def in_place(row: dict[str, Any]) -> tuple[str, float]:
    """Order objects by what a slight change of scores does not turn round."""
    return row["label"], row["box"][0]


def alike(got: Any, want: Any, tolerance: float) -> bool:
    """Compare two results, numbers within the tolerance."""
    if isinstance(want, dict):
        return isinstance(got, dict) and all(
            key in got and alike(got[key], value, tolerance) for key, value in want.items()
        )
    if isinstance(want, list):
        if want and isinstance(want[0], dict) and "box" in want[0]:
            want = sorted(want, key=in_place)
        return len(got) == len(want) and all(
            alike(a, b, tolerance) for a, b in zip(got, want, strict=True)
        )
    if isinstance(want, int | float):
        return abs(float(got) - float(want)) <= tolerance
    return bool(got == want)


def short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 120 else text[:117] + "…"
