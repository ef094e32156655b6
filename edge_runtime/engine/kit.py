"""What one worker needs to run one model: interpreter, preprocessor, buffer, decoder."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from edge_runtime.decode.base import Decoder, open_decoder
from edge_runtime.errors import PackError
from edge_runtime.infer.base import Backend
from edge_runtime.manifest import Pack
from edge_runtime.options import Delegate
from edge_runtime.preprocess import Preprocessor
from edge_runtime.records import Decoded, Image


class Model(msgspec.Struct, frozen=True):
    """A checked pack and how it is run. Streams that agree on all of it share kits."""

    pack: Pack
    iou: float | None
    delegate: Delegate | None
    open_backend: Callable[[Pack, Delegate | None], Backend]

    @property
    def key(self) -> tuple[str, str, str]:
        """Name what a kit depends on."""
        return (self.pack.manifest.model.sha256, repr(self.delegate), repr(self.iou))


class Kit:
    """One interpreter and what is reused around it from frame to frame. One thread at a time."""

    def __init__(self, model: Model) -> None:
        manifest = model.pack.manifest
        self._backend = model.open_backend(model.pack, model.delegate)
        try:
            self._preprocessor = Preprocessor(manifest.input, self._backend.input)
            self._decoder: Decoder = open_decoder(
                manifest.output,
                self._backend.outputs,
                model.pack.labels,
                input_spec=self._backend.input,
                iou=model.iou,
            )
        except PackError as error:
            raise PackError(f"{model.pack.folder / 'pack.toml'}: {error}") from None
        self._buffer = self._preprocessor.new_buffer()

    def run(self, image: Image, min_score: float) -> Decoded:
        """Say what the model sees in a picture."""
        placement = self._preprocessor.fill(image, self._buffer)
        outputs = self._backend.infer(self._buffer)
        return self._decoder.decode(outputs, placement, min_score=min_score)

    def close(self) -> None:
        """Let the interpreter go."""
        self._backend.close()


class Kits:
    """The kits of all workers, made where they are first needed: a worker only meets its own."""

    def __init__(self) -> None:
        self._kits: dict[tuple[int, tuple[str, str, str]], Kit] = {}

    def get(self, worker: int, model: Model) -> Kit:
        """Return the worker's kit for a model; opening it may raise PackError, BackendError."""
        place = (worker, model.key)
        kit = self._kits.get(place)
        if kit is None:
            kit = self._kits[place] = Kit(model)
        return kit

    def close(self) -> None:
        """Let all interpreters go; no worker may be running."""
        while self._kits:
            self._kits.popitem()[1].close()
