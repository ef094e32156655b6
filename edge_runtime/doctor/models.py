"""Model packs and accelerators, tried in a child process: what crashes there crashes alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from edge_runtime.board.usb import coral_node
from edge_runtime.doctor.access import blocked_by_unit
from edge_runtime.doctor.base import CheckContext, Finding
from edge_runtime.doctor.daemon import finding_of_stream, is_at_work, told_of_stream
from edge_runtime.errors import BackendError, EdgeError, UsageError, WeightsError
from edge_runtime.infer.base import AcceleratorMissingError
from edge_runtime.infer.placement import DelegatePlacement
from edge_runtime.manifest import Pack
from edge_runtime.model.engine_choice import engine_of
from edge_runtime.model.resolve import find_packs
from edge_runtime.model.trial import try_pack
from edge_runtime.options import Config, DelegateOptions, StreamOptions
from edge_runtime.packs.catalogue import bundled_models
from edge_runtime.packs.store import PackStore


def check_models(context: CheckContext) -> Iterator[Finding]:
    """Does each stream's pack have its weights, and do they give the golden result?"""
    streams = [s for s in streams_of(context) if s.has_model]
    if not streams:
        yield Finding("model", "skipped", context.text("no stream uses a model"))
    tried: dict[tuple[str, bool], Finding] = {}
    for stream in streams:
        use = (stream.model_use.pack, stream.model_use.accelerator is None)
        if use not in tried:
            tried[use] = look_at(context, stream)
        yield msgspec.structs.replace(tried[use], check=f"model/{stream.name}")


def look_at(context: CheckContext, stream: StreamOptions) -> Finding:
    """Check one pack: its hash, and its golden case unless that needs the accelerator."""
    use = stream.model_use
    try:
        pack = pack_of(context, stream)
        if use.accelerator is None:
            assert context.config is not None
            try_pack(pack, forced=context.config.inference.engine)
    except (UsageError, BackendError) as error:
        text = context.text("{pack} cannot be used: {reason}", pack=use.pack, reason=error)
        return Finding("model", "failed", text, advice_on_pack(context, use.pack, error))
    name = pack.ref.full_name
    if use.accelerator is not None:
        text = context.text("{pack}: the weights are the right ones", pack=name)
    elif pack.manifest.golden is None:
        text = context.text("{pack}: the weights are the right ones and run", pack=name)
    else:
        text = context.text(
            "{pack}: the weights are the right ones and give the golden result", pack=name
        )
    return Finding("model", "ok", text)


def advice_on_pack(context: CheckContext, name: str, error: EdgeError) -> str:
    """Return what to do: only what is missing or damaged, and comes from afar, is got again."""
    is_folder = "/" in name
    if isinstance(error, WeightsError) and not is_folder:
        return context.text(
            "Get it again: `sudo edge-runtime models pull {pack}`, or without a network `sudo "
            "edge-runtime models import {pack} FILE`. `edge-runtime models list` shows all.",
            pack=name,
        )
    return follow_reason(context)


def follow_reason(context: CheckContext) -> str:
    """Return the advice where the reason itself says what to do."""
    return context.text("Do what the reason says, then type `edge-runtime doctor` again.")


def check_accelerator(context: CheckContext) -> Iterator[Finding]:
    """Is the accelerator there, and how much of each model that is to use it does it take?"""
    coral = coral_node(context.root)
    streams = [s for s in streams_of(context) if s.has_model and s.model_use.accelerator]
    if not streams:
        text = (
            context.text("a Coral is plugged in; no stream uses it")
            if coral is not None
            else context.text("none is used")
        )
        yield Finding("accelerator", "ok" if coral is not None else "skipped", text)
    for stream in streams:
        delegate = stream.model_use.accelerator
        assert delegate is not None
        yield try_on(context, stream, delegate, coral)


def try_on(
    context: CheckContext, stream: StreamOptions, delegate: DelegateOptions, coral: Path | None
) -> Finding:
    """Run one stream's model on its accelerator; `coral` is the one that is plugged in."""
    check = f"accelerator/{stream.name}"
    assert context.config is not None
    told = told_of_stream(context, stream.name)
    if is_edge_tpu(delegate) and not is_at_work(told):
        finding = out_of_reach(context, check, coral, stream, delegate)
        if finding is not None:
            return finding
    if told is not None:  # an accelerator serves one process
        return told_of_accelerator(context, check, told, stream, delegate)
    try:
        pack = pack_of(context, stream)
        forced = context.config.inference.engine
        placement = try_pack(pack, forced=forced, delegate=delegate).placement
    except AcceleratorMissingError as error:
        install = context.text(
            "Install the accelerator's library (Coral: libedgetpu1-std), see that the user is "
            "in the group plugdev, and plug the accelerator in again."
        )
        return does_not_run(context, check, delegate, error, install)
    except (UsageError, BackendError) as error:
        return does_not_run(context, check, delegate, error, follow_reason(context))
    assert placement is not None  # a trial on a delegate measures, or raises
    return Finding(check, "ok", placement.describe().localized(context.language))


def does_not_run(
    context: CheckContext, check: str, delegate: DelegateOptions, reason: EdgeError, advice: str
) -> Finding:
    """Say why a model does not run on an accelerator."""
    text = context.text(
        "the model does not run on {library}: {reason}", library=delegate.library, reason=reason
    )
    return Finding(check, "failed", text, advice)


def is_edge_tpu(delegate: DelegateOptions) -> bool:
    """Say whether a library is that of a Coral, whatever its path and options."""
    return "edgetpu" in Path(delegate.library).name


def advice_on(context: CheckContext, stream: StreamOptions, delegate: DelegateOptions) -> str:
    """Return what to do about an accelerator; the CPU only where it can run the model."""
    advice = []
    if is_edge_tpu(delegate):
        advice.append(
            context.text(
                "Plug it into a blue USB 3 port, with its own cable; `lsusb` must show it."
            )
        )
    else:
        advice.append(
            context.text("See that the accelerator, its driver and its library are there.")
        )
    try:
        assert context.config is not None
        pack = pack_of(context, stream)
        engine = engine_of(pack, context.config.inference.engine)
        runs_on_cpu = not engine.needs_accelerator(pack.weights)
    except (UsageError, BackendError):  # the pack's own check says so
        runs_on_cpu = False
    if runs_on_cpu:
        advice.append(
            context.text(
                "Or take `delegate` out of the stream's model: then the CPU does the work."
            )
        )
    return " ".join(advice)


def told_of_accelerator(
    context: CheckContext,
    check: str,
    told: dict[str, Any],
    stream: StreamOptions,
    delegate: DelegateOptions,
) -> Finding:
    """Return what the daemon measured as it opened a stream's model; else how the stream is."""
    if "accelerator" in told:
        measured = msgspec.convert(told["accelerator"], DelegatePlacement).describe()
        text = context.text("the running daemon has it: {measured}", measured=measured)
        return Finding(check, "ok", text)
    finding = finding_of_stream(
        context, check, told, stream.source, lambda _why: advice_on(context, stream, delegate)
    )
    if finding.state != "ok":
        return finding
    text = context.text("no model was opened on it yet: nothing is measured")
    return msgspec.structs.replace(finding, state="skipped", text=f"{finding.text}; {text}")


def out_of_reach(
    context: CheckContext,
    check: str,
    coral: Path | None,
    stream: StreamOptions,
    delegate: DelegateOptions,
) -> Finding | None:
    """Say that no Coral is plugged in, or that the service may not open it."""
    if coral is not None:
        return blocked_by_unit(context, check, "coral", coral)
    text = context.text("no Coral is seen, neither on USB (1a6e:089a, 18d1:9302) nor on PCIe")
    return Finding(check, "failed", text, advice_on(context, stream, delegate))


def streams_of(context: CheckContext) -> tuple[StreamOptions, ...]:
    """Return the configured streams; none where there is no configuration."""
    return context.config.streams if context.config is not None else ()


def pack_of(context: CheckContext, stream: StreamOptions) -> Pack:
    """Return a stream's pack, hash checked. Raises UsageError."""
    assert context.config is not None
    alone: Config = msgspec.structs.replace(context.config, streams=(stream,))
    place = context.config.streams.index(stream)
    store = PackStore(context.state_dir, bundled_models())
    return find_packs(alone, store, first=place)[stream.name]
