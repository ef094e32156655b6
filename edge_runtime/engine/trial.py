"""A model's trial in a child process: tensors against the manifest, then the golden case.

Weights are bytes from outside: a bad file may crash the engine. It crashes a child, once, and
what passed is remembered by the hash of all that it depends on.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from edge_runtime.engine.kit import Kit, Model
from edge_runtime.engine.models import open_pack_backend
from edge_runtime.errors import BackendError, EdgeError, Heard, PackError, UsageError
from edge_runtime.infer.child import ask_child, be_confined
from edge_runtime.infer.litert import ModelRefusedError, Runtime, runtime_name
from edge_runtime.infer.probe import advice, subject_of
from edge_runtime.manifest import GoldenSection, Pack
from edge_runtime.normalise import untold
from edge_runtime.options import Delegate
from edge_runtime.packs.manifest_file import MANIFEST, open_pack
from edge_runtime.records import Classification, Decoded, Detections, Pose

TRIAL_TIMEOUT_S = 120.0


def try_pack(
    pack: Pack, *, runtime: Runtime = "auto", delegate: Delegate | None = None
) -> tuple[Heard, ...]:
    """Run a pack's trial in a child; return what it could not check, as notes for a person.

    Raises PackError or BackendError, whatever the bytes.

    Return a line about what the trial could not confirm, or nothing.

    What crashes with a delegate may be the delegate's fault, which is the world's (BackendError);
    without one it is the pack's.
    """
    try:
        answer = ask_child(
            __name__,
            msgspec.json.encode(Request(str(pack.folder), runtime, delegate)),
            subject=subject_of(pack.weights, delegate),
            timeout_s=TRIAL_TIMEOUT_S,
            advice=advice(delegate),
        )
        verdict = msgspec.json.decode(answer, type=Verdict)
    except BackendError as error:
        if delegate is None:
            raise PackError(error.text) from None
        raise
    except msgspec.DecodeError:
        raise PackError(
            "{folder}: the trial gave no answer that can be read", folder=pack.folder
        ) from None
    if verdict.error:
        raise (PackError if verdict.usage else BackendError)(Heard(verdict.error))
    return tuple(map(Heard, verdict.notes))


class TrialLedger:
    """Remembers which trials passed, in a file of the state folder; safe to delete."""

    def __init__(self, state_dir: Path) -> None:
        self._file = state_dir / "trials.json"

    def ensure(self, pack: Pack, *, runtime: Runtime, delegate: Delegate | None) -> None:
        """Run the trial unless this very combination has passed before."""
        key = fingerprint(pack, runtime, delegate)
        passed = self._read()
        if key in passed:
            return
        try_pack(pack, runtime=runtime, delegate=delegate)
        self._write({**passed, key: pack.ref.full_name})

    def _read(self) -> dict[str, str]:
        try:
            value = json.loads(self._file.read_bytes())
        except (OSError, ValueError):
            return {}
        return value if isinstance(value, dict) else {}

    def _write(self, passed: dict[str, str]) -> None:
        fresh = self._file.with_suffix(".new")
        try:
            fresh.write_text(json.dumps(passed, indent=1))
            fresh.replace(self._file)
        except OSError:
            return  # a cache: without it the next start takes the trial again


def fingerprint(pack: Pack, runtime: Runtime, delegate: Delegate | None) -> str:
    """Hash everything that a trial's outcome depends on."""
    digest = hashlib.sha256()
    manifest = pack.manifest
    files = [MANIFEST]
    if manifest.output.labels is not None:
        files.append(manifest.output.labels)
    if manifest.golden is not None:
        files += [manifest.golden.input, manifest.golden.expected]
    for name in files:
        digest.update((pack.folder / name).read_bytes())
    for text in (manifest.model.sha256, runtime, runtime_name(runtime), repr(delegate)):
        digest.update(text.encode())
    return digest.hexdigest()


def run_trial(pack: Pack, runtime: Runtime, delegate: Delegate | None) -> tuple[str, ...]:
    """Open the model, hold it against its manifest, and run the golden case or one blank.

    Returns what neither the weights nor a golden case can confirm, as notes for a person.
    """
    model = Model(pack, None, delegate, open_pack_backend(runtime))
    golden = pack.manifest.golden
    if pack.manifest.input.kind == "window":
        decoded, notes = look_at_window(model, golden)
    else:
        kit = Kit(model)
        decoded, notes = look_at_picture(kit, pack, golden)
        if golden is None and (note := untold(pack.manifest, kit.input)):
            notes = (*notes, note)
    if golden is not None:
        check_golden_file(decoded, pack, golden)
    return tuple(map(str, notes))


def look_at_picture(
    kit: Kit, pack: Pack, golden: GoldenSection | None
) -> tuple[Decoded, tuple[str, ...]]:
    """Run the golden picture, or a blank one."""
    if golden is None:
        return kit.run(np.zeros((64, 64, 3), np.uint8), 0.5), kit.notes
    from edge_runtime.sources.images import load_picture  # imports OpenCV

    return kit.run(load_picture(pack.folder / golden.input), golden.min_score), kit.notes


def look_at_window(model: Model, golden: GoldenSection | None) -> tuple[Decoded, tuple[str, ...]]:
    """Run the golden window, or a tone: a window that does not change is refused."""
    from edge_runtime.engine.window_kit import WindowKit

    kit = WindowKit(model)
    if golden is None:
        size, channels = kit.shape
        tone = np.sin(np.arange(size, dtype=np.float32))
        return kit.run(np.repeat(tone[:, np.newaxis], channels, axis=1)), kit.notes
    values = np.load(model.pack.folder / golden.input, allow_pickle=False)
    return kit.run(values, golden.min_score), kit.notes


def check_golden_file(decoded: Decoded, pack: Pack, golden: GoldenSection) -> None:
    """Raise PackError where a result is not the expected one, or that is none at all."""
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
    """Raise PackError where a result differs from the expected one by more than the tolerance."""
    got = comparable(decoded, pack.labels)
    want = {key: expected.get(key, []) for key in got}
    if not alike(got, want, golden.tolerance):
        raise PackError(
            "{folder}: golden: the model does not give the result that the pack promises "
            "(expected {wanted}, got {got}); get the pack again",
            folder=pack.folder,
            wanted=short(want),
            got=short(got),
        )


def comparable(decoded: Decoded, labels: tuple[str, ...]) -> dict[str, Any]:
    """Return a record in the form of the golden file."""

    def name(class_id: int) -> str:
        return labels[class_id] if 0 <= class_id < len(labels) else f"#{class_id}"

    if isinstance(decoded, Detections):
        rows = [
            {"label": name(o.class_id), "score": o.score, "box": list(o.xyxy)}
            for o in decoded.objects
        ]
        return {"objects": sorted(rows, key=in_place)}
    if isinstance(decoded, Classification):
        return {"classes": [{"label": name(c.class_id), "score": c.score} for c in decoded.classes]}
    if isinstance(decoded, Pose):
        return {
            "people": [
                {"score": p.score, "keypoints": [list(k) for k in p.keypoints]}
                for p in decoded.people
            ]
        }
    return {"score": decoded.score}


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


class Request(msgspec.Struct, frozen=True):
    """What the child is asked to try."""

    folder: str
    runtime: Runtime
    delegate: Delegate | None = None


class Verdict(msgspec.Struct, frozen=True):
    """What came of it: an empty error is a pass; `usage` says that the pack is at fault.

    `note`: of a pass, what could not be confirmed.
    """

    error: str = ""
    usage: bool = False
    notes: tuple[str, ...] = ()


def judge(request: Request) -> Verdict:
    """Run the trial (in the child)."""
    try:
        notes = run_trial(open_pack(Path(request.folder)), request.runtime, request.delegate)
    except EdgeError as problem:
        return Verdict(str(problem), isinstance(problem, UsageError | ModelRefusedError))
    except (ValueError, RuntimeError, MemoryError, OSError) as problem:
        return Verdict(f"{request.folder}: {type(problem).__name__}: {problem}", usage=True)
    return Verdict(notes=notes)


def main() -> None:
    """Be the child: a request as JSON on standard input, the verdict on standard output."""
    channel = be_confined()
    verdict = judge(msgspec.json.decode(sys.stdin.buffer.read(), type=Request))
    os.write(channel, msgspec.json.encode(verdict))


if __name__ == "__main__":
    main()
