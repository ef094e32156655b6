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
from edge_runtime.infer.child import ask_child, be_confined, sandbox_of
from edge_runtime.infer.litert import (
    AcceleratorMissingError,
    ModelRefusedError,
    Runtime,
    open_backend,
    runtime_name,
)
from edge_runtime.infer.placement import DelegatePlacement, is_compiled
from edge_runtime.isolation.sandbox import enter
from edge_runtime.manifest import GoldenSection, Pack
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
    runtime: Runtime = "auto",
    delegate: DelegateOptions | None = None,
    timeout_s: float = TRIAL_TIMEOUT_S,
) -> TrialResult:
    """Run a pack's trial in a child; return what came of it.

    Raises PackError where the pack is at fault. What goes wrong with a delegate alone is the
    world's fault: BackendError, AcceleratorMissingError where that is not there at all.
    """
    try:
        answer = ask_child(
            __name__,
            msgspec.json.encode(
                TrialRequest(str(pack.folder), str(pack.weights), runtime, delegate)
            ),
            subject=subject_of(pack.weights, delegate),
            timeout_s=timeout_s,
            advice=advice(pack.weights, delegate),
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


def advice(weights: Path, delegate: DelegateOptions | None) -> Text:
    """Say what to do about a model that crashes or hangs."""
    if delegate is None:
        return Text("the file may be damaged: pull or import it again, or use runtime litert")
    if is_compiled(weights):
        return Text("the delegate's library may not fit this runtime: update it")
    return Text(
        "the delegate's library may not fit this runtime: update it, or leave `delegate` out"
    )


def run_trial(pack: Pack, runtime: Runtime, delegate: DelegateOptions | None) -> TrialResult:
    """Open the model, hold it against its manifest, and run the golden case or one blank.

    Raises EdgeError.
    """
    if delegate is None:
        return run_once(pack, runtime, None)
    measured = measured_alone(pack, runtime, delegate)
    try:
        tried = run_once(pack, runtime, delegate)
    except WrongResultError as error:
        raise wrong_on(pack, runtime, delegate, error) from error
    placement = tried.placement
    if placement != measured:
        raise BackendError(
            "delegate {library}: {runtime} does not tell what it took of the model from what the "
            "CPU's own delegate took ({one}; {other}); use another version of the runtime",
            library=delegate.library,
            runtime=runtime_name(runtime),
            one=measured.describe() if measured else "",
            other=placement.describe() if placement else "",
        )
    return tried


def measured_alone(
    pack: Pack, runtime: Runtime, delegate: DelegateOptions
) -> DelegatePlacement | None:
    """Open the model on its delegate without the CPU's own, and return what it has taken."""
    backend = open_backend(
        pack.weights, runtime=runtime, delegate=delegate, default_delegates=False
    )
    backend.close()
    return backend.placement


def run_once(pack: Pack, runtime: Runtime, delegate: DelegateOptions | None) -> TrialResult:
    """Run the golden case, or a blank. Raises EdgeError."""
    from edge_runtime.model.window_runner import WindowRunner

    model = Model(pack, None, delegate, open_pack_backend(runtime))
    golden = pack.manifest.golden
    notes: tuple[Text, ...]
    if pack.manifest.input.kind == "window":
        with closing(WindowRunner(model)) as window_kit:
            decoded = look_at_window(window_kit, pack, golden)
            placement, notes = window_kit.placement, window_kit.notes
    else:
        with closing(ModelRunner(model)) as kit:
            decoded = look_at_picture(kit, pack, golden)
            placement, notes = kit.placement, kit.notes
            if golden is None and (note := untold(pack.manifest, kit.input)):
                notes = (*notes, note)
    if golden is not None:
        check_golden_file(decoded, pack, golden)
    return TrialResult(placement, notes)


def look_at_picture(kit: ModelRunner, pack: Pack, golden: GoldenSection | None) -> Decoded:
    """Run the golden picture, or a blank one."""
    if golden is None:
        return kit.run(np.zeros((64, 64, 3), np.uint8), 0.5)
    from edge_runtime.sources.images import load_picture  # imports OpenCV

    return kit.run(load_picture(pack.folder / golden.input), golden.min_score)


def look_at_window(kit: WindowRunner, pack: Pack, golden: GoldenSection | None) -> Decoded:
    """Run the golden window, or a tone: a window that does not change is refused."""
    if golden is None:
        size, channels = kit.shape
        tone = np.sin(np.arange(size, dtype=np.float32))
        return kit.run(np.repeat(tone[:, np.newaxis], channels, axis=1))
    values = np.load(pack.folder / golden.input, allow_pickle=False)
    return kit.run(values, golden.min_score)


def wrong_on(
    pack: Pack, runtime: Runtime, delegate: DelegateOptions, error: WrongResultError
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
        run_once(pack, runtime, None)
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
    runtime: Runtime
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
        return Verdict(tried=run_trial(pack, request.runtime, request.delegate))
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
