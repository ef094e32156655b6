"""From a stream's `model` table to a checked pack, its label ids and its interpreters."""

from __future__ import annotations

from collections.abc import Callable

from edge_runtime.engine.kit import Model
from edge_runtime.errors import ConfigError, PackError
from edge_runtime.infer.base import Backend
from edge_runtime.infer.litert import Runtime
from edge_runtime.manifest import Pack
from edge_runtime.options import Config, Delegate, Stream
from edge_runtime.packs.store import PackStore


def open_pack_backend(runtime: Runtime) -> Callable[[Pack, Delegate | None], Backend]:
    """Return what makes an interpreter for a pack's weights."""

    def open_one(pack: Pack, delegate: Delegate | None) -> Backend:
        from edge_runtime.infer.litert import open_backend

        return open_backend(pack.weights, runtime=runtime, delegate=delegate)

    return open_one


def find_packs(config: Config, store: PackStore) -> dict[str, Pack]:
    """Return each stream's pack, hash checked. Raises PackError that names the stream."""
    packs: dict[str, Pack] = {}
    for index, stream in enumerate(config.streams):
        try:
            pack = store.find(stream.model.pack, config.folder)
        except PackError as error:
            raise PackError(f"streams[{index}].model.pack: {error}") from None
        check_labels(stream, index, pack)
        packs[stream.name] = pack
    return packs


def check_labels(stream: Stream, index: int, pack: Pack) -> None:
    """Raise ConfigError for a label that the pack does not know."""
    asked = [("model.labels", stream.model.labels)]
    asked += [(f"rules[{n}].labels", rule.labels) for n, rule in enumerate(stream.rules)]
    for key, labels in asked:
        for label in labels:
            if label not in pack.labels:
                known = ", ".join(pack.labels[:8]) + (" …" if len(pack.labels) > 8 else "")
                raise ConfigError(
                    f"streams[{index}].{key}: '{label}' is not a label of "
                    f"{pack.manifest.pack.name}; it knows {known}"
                )


def model_of(stream: Stream, pack: Pack, runtime: Runtime) -> Model:
    """Return how a stream's model is run."""
    return Model(pack, stream.model.iou, stream.model.accelerator, open_pack_backend(runtime))


def label_ids(labels: tuple[str, ...], pack: Pack) -> frozenset[int] | None:
    """Return the class ids of a filter; None where there is none."""
    if not labels:
        return None
    return frozenset(i for i, name in enumerate(pack.labels) if name in labels)
