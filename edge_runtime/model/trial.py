"""A model's trial in a child process: tensors against the manifest, then the golden case.

Weights are bytes from outside, and so is an accelerator's library: either may crash the engine. It
crashes a child, once. There it is measured, too, how much of a model an accelerator takes.
"""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec
import numpy as np

from edge_runtime.errors import (
    EMPTY,
    BackendError,
    EdgeError,
    PackError,
    RawText,
    Text,
    UsageError,
    located,
)
from edge_runtime.infer.base import AcceleratorMissingError, ModelRefusedError
from edge_runtime.infer.child import ask_child, be_confined, sandbox_of
from edge_runtime.infer.engines import AUTO
from edge_runtime.infer.placement import DelegatePlacement
from edge_runtime.isolation.sandbox import enter
from edge_runtime.manifest import GoldenSection, Pack
from edge_runtime.model.engine_choice import engine_of
from edge_runtime.model.golden import WrongResultError, check_golden_file
from edge_runtime.model.resolve import open_pack_backend
from edge_runtime.model.runner import Model, ModelRunner
from edge_runtime.normalise import untold
from edge_runtime.options import DelegateOptions
from edge_runtime.packs.manifest_file import open_pack
from edge_runtime.records import Decoded
from edge_runtime.text_form import decode_text, encode_text

if TYPE_CHECKING:
    from edge_runtime.model.window_runner import WindowRunner

Fault: TypeAlias = Literal["pack", "engine", "absent"]
FAULTS: dict[Fault, type[EdgeError]] = {
    "pack": PackError,
    "engine": BackendError,
    "absent": AcceleratorMissingError,
}
# Below the unit's WatchdogSec: a reload takes trials while the daemon works.
TRIAL_TIMEOUT_S = 100.0


class TrialResult(msgspec.Struct, frozen=True):
    """A trial that passed: what the accelerator took, where there is one.

    `notes`: what neither the weights nor a golden case can confirm, for a person to look at.
    """

    placement: DelegatePlacement | None = None
    notes: tuple[Text, ...] = ()


def try_pack(
    pack: Pack,
    *,
    forced: str = AUTO,
    delegate: DelegateOptions | None = None,
    timeout_s: float = TRIAL_TIMEOUT_S,
) -> TrialResult:
    """Run a pack's trial in a child; return what came of it.

    `forced`: the device's `inference.engine`. Raises PackError where the pack is at fault,
    ConfigError where the engine that is forced does not take its file, EngineMissingError where
    the engine is not installed. What goes wrong with a delegate alone is the world's fault:
    BackendError, AcceleratorMissingError where that is not there at all.
    """
    engine = engine_of(pack, forced)
    try:
        answer = ask_child(
            __name__,
            msgspec.json.encode(
                TrialRequest(str(pack.folder), str(pack.weights), forced, delegate)
            ),
            subject=subject_of(pack.weights, delegate),
            timeout_s=timeout_s,
            advice=engine.crash_advice(pack.weights, delegate),
        )
        verdict = msgspec.json.decode(answer, type=Verdict, dec_hook=decode_text)
    except BackendError as error:
        if delegate is None:
            raise PackError(error.text) from None
        raise
    except msgspec.DecodeError:
        error_type = PackError if delegate is None else BackendError
        raise error_type(
            "{subject}: the trial gave no answer that can be read",
            subject=subject_of(pack.weights, delegate),
        ) from None
    if verdict.error:
        raise FAULTS[verdict.fault](verdict.error)
    return verdict.tried


def subject_of(weights: Path, delegate: DelegateOptions | None) -> Text:
    """Name what is tried."""
    if delegate is None:
        return RawText(str(weights))
    return Text("{file} on {library}", file=weights, library=delegate.library)


def run_trial(pack: Pack, forced: str, delegate: DelegateOptions | None) -> TrialResult:
    """Open the model, hold it against its manifest, and run the golden case or one blank.

    Raises EdgeError.
    """
    if delegate is None:
        return run_once(pack, forced, None)
    engine = engine_of(pack, forced)
    measured = engine.measure_delegate(pack.weights, delegate)
    try:
        tried = run_once(pack, forced, delegate)
    except WrongResultError as error:
        raise wrong_on(pack, forced, delegate, error) from error
    placement = tried.placement
    if placement != measured:
        raise BackendError(
            "delegate {library}: {engine} does not tell what it took of the model from what the "
            "CPU's own delegate took ({one}; {other}); use another version of the engine",
            library=delegate.library,
            engine=engine.title,
            one=measured.describe() if measured else "",
            other=placement.describe() if placement else "",
        )
    return tried


def run_once(pack: Pack, forced: str, delegate: DelegateOptions | None) -> TrialResult:
    """Run the golden case, or a blank. Raises EdgeError."""
    from edge_runtime.model.window_runner import WindowRunner

    model = Model(pack, None, delegate, open_pack_backend(forced))
    golden = pack.manifest.golden
    notes: tuple[Text, ...]
    if pack.manifest.input.kind == "window":
        with closing(WindowRunner(model)) as window_runner:
            decoded = look_at_window(window_runner, pack, golden)
            placement, notes = window_runner.placement, window_runner.notes
    else:
        with closing(ModelRunner(model)) as runner:
            decoded = look_at_picture(runner, pack, golden)
            placement, notes = runner.placement, runner.notes
            if golden is None and (note := untold(pack.manifest, runner.input)):
                notes = (*notes, note)
    if golden is not None:
        check_golden_file(decoded, pack, golden)
    return TrialResult(placement, notes)


def look_at_picture(runner: ModelRunner, pack: Pack, golden: GoldenSection | None) -> Decoded:
    """Run the golden picture, or a blank one."""
    if golden is None:
        return runner.run(np.zeros((64, 64, 3), np.uint8), 0.5)
    from edge_runtime.sources.images import load_picture  # imports OpenCV

    return runner.run(load_picture(pack.folder / golden.input), golden.min_score)


def look_at_window(runner: WindowRunner, pack: Pack, golden: GoldenSection | None) -> Decoded:
    """Run the golden window, or a tone: a window that does not change is refused."""
    if golden is None:
        size, channels = runner.shape
        tone = np.sin(np.arange(size, dtype=np.float32))
        return runner.run(np.repeat(tone[:, np.newaxis], channels, axis=1))
    values = np.load(pack.folder / golden.input, allow_pickle=False)
    return runner.run(values, golden.min_score)


def wrong_on(
    pack: Pack, forced: str, delegate: DelegateOptions, error: WrongResultError
) -> BackendError:
    """Return the error for a wrong result on a delegate, the CPU's word on it included.

    Raises PackError where the result is wrong on the CPU, too: then the pack is at fault.
    """
    about = {
        "library": delegate.library,
        "pack": pack.ref.full_name,
        "wanted": error.wanted,
        "got": error.got,
    }
    try:
        run_once(pack, forced, None)
    except BackendError:  # no CPU can run it
        return BackendError(
            "delegate {library}: {pack} does not give its golden result on it (expected {wanted}, "
            "got {got}); update the library, or get the pack again",
            **about,
        )
    return BackendError(
        "delegate {library}: computes wrong: {pack} does not give its golden result on it "
        "(expected {wanted}, got {got}), and does so on the CPU; update the library, or take "
        "`delegate` out of the stream's model",
        **about,
    )


class TrialRequest(msgspec.Struct, frozen=True):
    """What the child is asked to try; the weights may be a link out of the pack's folder."""

    folder: str
    weights: str
    forced: str
    delegate: DelegateOptions | None = None


class Verdict(msgspec.Struct, frozen=True):
    """What came of it: a pass, or an error and whose fault that is."""

    error: Text = EMPTY
    fault: Fault = "engine"
    tried: TrialResult = TrialResult()


def judge(request: TrialRequest) -> Verdict:
    """Run the trial (in the child)."""
    try:
        enter(sandbox_of((request.folder, request.weights), request.delegate))
        pack = open_pack(Path(request.folder))
        return Verdict(tried=run_trial(pack, request.forced, request.delegate))
    except EdgeError as problem:
        return Verdict(problem.text, fault_of(problem))
    except (ValueError, RuntimeError, MemoryError, OSError) as problem:
        fault: Fault = "pack" if request.delegate is None else "engine"
        return Verdict(located(request.folder, type(problem).__name__, problem), fault)


def fault_of(problem: EdgeError) -> Fault:
    """Say whose fault an error is."""
    if isinstance(problem, UsageError | ModelRefusedError):
        return "pack"
    return "absent" if isinstance(problem, AcceleratorMissingError) else "engine"


def main() -> None:
    """Be the child: a request as JSON on standard input, the verdict on standard output."""
    channel = be_confined()
    verdict = judge(msgspec.json.decode(sys.stdin.buffer.read(), type=TrialRequest))
    os.write(channel, msgspec.json.encode(verdict, enc_hook=encode_text))


if __name__ == "__main__":
    main()
