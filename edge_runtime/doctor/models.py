"""Model packs and accelerators, tried in a child process: what crashes there crashes alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from edge_runtime.board.usb import coral_node
from edge_runtime.doctor.access import barred
from edge_runtime.doctor.base import Finding, Surroundings
from edge_runtime.doctor.daemon import finding_of_stream, is_at_work, told_of_stream
from edge_runtime.errors import BackendError, EdgeError, UsageError
from edge_runtime.infer.base import AcceleratorMissingError
from edge_runtime.infer.placement import DelegatePlacement
from edge_runtime.manifest import Pack
from edge_runtime.model.engine_choice import engine_of
from edge_runtime.model.resolve import find_packs
from edge_runtime.model.trial import try_pack
from edge_runtime.options import Config, DelegateOptions, StreamOptions
from edge_runtime.packs.catalogue import bundled_models
from edge_runtime.packs.store import PackStore


def check_models(around: Surroundings) -> Iterator[Finding]:
    """Does each stream's pack have its weights, and do they give the golden result?"""
    streams = [s for s in streams_of(around) if s.has_model]
    if not streams:
        yield Finding("model", "skipped", around.text("no stream uses a model"))
    tried: dict[tuple[str, bool], Finding] = {}
    for stream in streams:
        use = (stream.model_use.pack, stream.model_use.accelerator is None)
        if use not in tried:
            tried[use] = look_at(around, stream)
        yield msgspec.structs.replace(tried[use], check=f"model/{stream.name}")


def look_at(around: Surroundings, stream: StreamOptions) -> Finding:
    """Check one pack: its hash, and its golden case unless that needs the accelerator."""
    use = stream.model_use
    try:
        pack = pack_of(around, stream)
        if use.accelerator is None:
            assert around.config is not None
            try_pack(pack, forced=around.config.inference.engine)
    except (UsageError, BackendError) as error:
        return Finding(
            "model",
            "failed",
            around.text("{pack} cannot be used: {reason}", pack=use.pack, reason=error),
            around.text(
                "Get it again: `sudo edge-runtime models pull {pack}`, or without a network `sudo "
                "edge-runtime models import {pack} FILE`. `edge-runtime models list` shows all.",
                pack=use.pack,
            ),
        )
    name = pack.ref.full_name
    if use.accelerator is not None:
        text = around.text("{pack}: the weights are the right ones", pack=name)
    elif pack.manifest.golden is None:
        text = around.text("{pack}: the weights are the right ones and run", pack=name)
    else:
        text = around.text(
            "{pack}: the weights are the right ones and give the golden result", pack=name
        )
    return Finding("model", "ok", text)


def check_accelerator(around: Surroundings) -> Iterator[Finding]:
    """Is the accelerator there, and how much of each model that is to use it does it take?"""
    coral = coral_node(around.root)
    streams = [s for s in streams_of(around) if s.has_model and s.model_use.accelerator]
    if not streams:
        text = (
            around.text("a Coral is plugged in; no stream uses it")
            if coral is not None
            else around.text("none is used")
        )
        yield Finding("accelerator", "ok" if coral is not None else "skipped", text)
    for stream in streams:
        delegate = stream.model_use.accelerator
        assert delegate is not None
        yield try_on(around, stream, delegate, coral)


def try_on(
    around: Surroundings, stream: StreamOptions, delegate: DelegateOptions, coral: Path | None
) -> Finding:
    """Run one stream's model on its accelerator; `coral` is the one that is plugged in."""
    check = f"accelerator/{stream.name}"
    assert around.config is not None
    advice = advice_on(around, stream, delegate)
    told = told_of_stream(around, stream.name)
    if is_edge_tpu(delegate) and not is_at_work(told):
        finding = out_of_reach(around, check, coral, advice)
        if finding is not None:
            return finding
    if told is not None:  # an accelerator serves one process
        return told_of_accelerator(around, check, told, stream, advice)
    try:
        pack = pack_of(around, stream)
        forced = around.config.inference.engine
        placement = try_pack(pack, forced=forced, delegate=delegate).placement
    except AcceleratorMissingError as error:
        install = around.text(
            "Install the accelerator's library (Coral: libedgetpu1-std), see that the user is "
            "in the group plugdev, and plug the accelerator in again."
        )
        return does_not_run(around, check, delegate, error, install)
    except (UsageError, BackendError) as error:
        follow = around.text("Do what the reason says, then type `edge-runtime doctor` again.")
        return does_not_run(around, check, delegate, error, follow)
    assert placement is not None  # a trial on a delegate measures, or raises
    return Finding(check, "ok", placement.describe().localized(around.language))


def does_not_run(
    around: Surroundings, check: str, delegate: DelegateOptions, reason: EdgeError, advice: str
) -> Finding:
    """Say why a model does not run on an accelerator."""
    text = around.text(
        "the model does not run on {library}: {reason}", library=delegate.library, reason=reason
    )
    return Finding(check, "failed", text, advice)


def is_edge_tpu(delegate: DelegateOptions) -> bool:
    """Say whether a library is that of a Coral, whatever its path and options."""
    return "edgetpu" in Path(delegate.library).name


def advice_on(around: Surroundings, stream: StreamOptions, delegate: DelegateOptions) -> str:
    """Return what to do about an accelerator; the CPU only where it can run the model."""
    advice = []
    if is_edge_tpu(delegate):
        advice.append(
            around.text("Plug it into a blue USB 3 port, with its own cable; `lsusb` must show it.")
        )
    else:
        advice.append(
            around.text("See that the accelerator, its driver and its library are there.")
        )
    try:
        assert around.config is not None
        pack = pack_of(around, stream)
        engine = engine_of(pack, around.config.inference.engine)
        runs_on_cpu = not engine.needs_accelerator(pack.weights)
    except (UsageError, BackendError):  # the pack's own check says so
        runs_on_cpu = False
    if runs_on_cpu:
        advice.append(
            around.text("Or take `delegate` out of the stream's model: then the CPU does the work.")
        )
    return " ".join(advice)


def told_of_accelerator(
    around: Surroundings, check: str, told: dict[str, Any], stream: StreamOptions, advice: str
) -> Finding:
    """Return what the daemon measured as it opened a stream's model; else how the stream is."""
    if "accelerator" in told:
        measured = msgspec.convert(told["accelerator"], DelegatePlacement).describe()
        text = around.text("the running daemon has it: {measured}", measured=measured)
        return Finding(check, "ok", text)
    finding = finding_of_stream(around, check, told, stream.source, lambda _why: advice)
    if finding.state != "ok":
        return finding
    text = around.text("no model was opened on it yet: nothing is measured")
    return msgspec.structs.replace(finding, state="skipped", text=f"{finding.text}; {text}")


def out_of_reach(
    around: Surroundings, check: str, coral: Path | None, plug_in: str
) -> Finding | None:
    """Say that no Coral is plugged in, or that the service may not open it."""
    if coral is not None:
        return barred(around, check, "coral", coral)
    text = around.text("no Coral is seen, neither on USB (1a6e:089a, 18d1:9302) nor on PCIe")
    return Finding(check, "failed", text, plug_in)


def streams_of(around: Surroundings) -> tuple[StreamOptions, ...]:
    """Return the configured streams; none where there is no configuration."""
    return around.config.streams if around.config is not None else ()


def pack_of(around: Surroundings, stream: StreamOptions) -> Pack:
    """Return a stream's pack, hash checked. Raises UsageError."""
    assert around.config is not None
    alone: Config = msgspec.structs.replace(around.config, streams=(stream,))
    return find_packs(alone, PackStore(around.state_dir, bundled_models()))[stream.name]
