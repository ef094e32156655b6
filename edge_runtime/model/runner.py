"""What one worker needs to run one model: backend, preprocessor, buffer, decoder."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from edge_runtime.boxes import FULL_FRAME, Box
from edge_runtime.decode.base import Decoder, open_decoder
from edge_runtime.errors import PackError, located
from edge_runtime.infer.base import Backend
from edge_runtime.infer.placement import DelegatePlacement
from edge_runtime.manifest import Pack
from edge_runtime.normalise import normalisation_of
from edge_runtime.options import DelegateOptions
from edge_runtime.raw import Image, TensorSpec
from edge_runtime.records import Decoded


class Costs(msgspec.Struct, frozen=True):
    """Seconds that one sample took in each stage of a worker."""

    resize_s: float = 0.0
    invoke_s: float = 0.0
    decode_s: float = 0.0


NO_COSTS = Costs()


class Model(msgspec.Struct, frozen=True):
    """A checked pack and how it is run. Streams that agree on all of it share runners."""

    pack: Pack
    iou: float | None
    delegate: DelegateOptions | None
    open_backend: Callable[[Pack, DelegateOptions | None], Backend]

    @property
    def key(self) -> tuple[str, ...]:
        """Name what a runner depends on: two packs may read the same weights in two ways."""
        manifest = self.pack.manifest
        told = (self.delegate, self.iou, manifest.model.engine, manifest.output)
        return (str(self.pack.folder), manifest.model.sha256, *map(repr, told))


class ModelRunner:
    """One backend and what is reused around it from frame to frame. One thread at a time.

    Raises PackError where the pack does not go with its weights, BackendError where they cannot be
    opened.
    """

    def __init__(self, model: Model) -> None:
        from edge_runtime.preprocess import Preprocessor, check_input  # imports OpenCV

        self._backend = model.open_backend(model.pack, model.delegate)
        manifest, tensor = model.pack.manifest, self._backend.input
        with naming(model.pack):
            # Mean and std last: they are no use to a model that cannot be read.
            check_input(manifest.input, tensor)
            self._decoder = decoder_of(model, self._backend)
            normalisation = normalisation_of(manifest.input, manifest.output, tensor)
        self._preprocessor = Preprocessor(manifest.input, tensor, normalisation)
        self._buffer = self._backend.new_input()
        self.costs = NO_COSTS  # of the latest run
        self.notes = self._decoder.notes

    @property
    def input(self) -> TensorSpec:
        """The model's input tensor."""
        return self._backend.input

    @property
    def engine(self) -> str:
        """What runs the model, with its version, such as `ai-edge-litert 2.3.0`."""
        return self._backend.engine

    @property
    def placement(self) -> DelegatePlacement | None:
        """What the accelerator has taken of the model; None: it runs on the CPU."""
        return self._backend.placement

    def run(self, image: Image, min_score: float, region: Box = FULL_FRAME) -> Decoded:
        """Say what the model sees in a frame, or in a region of it.

        `image`: uint8, (height, width, 3) BGR, or (height, width[, 1]) grey. `region`: (x1, y1,
        x2, y2) as fractions of the frame; boxes and points of the result are fractions of the whole
        frame. `min_score`: 0 to 1, what scores less is left out.

        Raises BackendError where the engine fails, PackError where the outputs' values are none
        that the decoder can read.
        """
        begun_s = time.monotonic()
        placement = self._preprocessor.fill(image, self._buffer, region)
        resized_s = time.monotonic()
        outputs = self._backend.infer(self._buffer)
        invoked_s = time.monotonic()
        decoded = self._decoder.decode(outputs, placement, min_score=min_score)
        self.costs = Costs(resized_s - begun_s, invoked_s - resized_s, time.monotonic() - invoked_s)
        return decoded

    def close(self) -> None:
        """Let the interpreter go."""
        self._backend.close()


def decoder_of(model: Model, backend: Backend) -> Decoder:
    """Return what reads the outputs of an opened model. Raises PackError."""
    return open_decoder(
        model.pack.manifest.output,
        backend.outputs,
        model.pack.labels,
        input_spec=backend.input,
        facts=backend.facts,
        iou=model.iou,
    )


@contextmanager
def naming(pack: Pack) -> Iterator[None]:
    """Name the pack's manifest in each PackError."""
    try:
        yield
    except PackError as error:
        raise PackError(located(pack.folder / "pack.toml", error)) from None


class RunnerCache:
    """The model runners of all workers, made where first needed: a worker only meets its own.

    Streams `hold` their model; with the last that lets go its runners are closed.
    """

    def __init__(self) -> None:
        self._runners: dict[tuple[int, tuple[str, ...]], ModelRunner] = {}
        self._holders: Counter[tuple[str, ...]] = Counter()
        self._lock = threading.Lock()  # of the holders

    def hold(self, model: Model) -> None:
        """Note that a stream uses a model."""
        with self._lock:
            self._holders[model.key] += 1

    def release(self, model: Model) -> None:
        """Note that a stream uses a model no longer; no worker is at its steps any more."""
        with self._lock:
            self._holders[model.key] -= 1
            if self._holders[model.key] > 0:
                return
            del self._holders[model.key]
            unused = [key for key in list(self._runners) if key[1] == model.key]
            closing = [self._runners.pop(key) for key in unused]
        for runner in closing:
            runner.close()

    def get(self, worker: int, model: Model) -> ModelRunner:
        """Return the worker's runner for a model; raises as `ModelRunner` where it is opened."""
        key = (worker, model.key)
        runner = self._runners.get(key)
        if runner is None:
            runner = self._runners[key] = ModelRunner(model)
        return runner

    def drop(self, worker: int, model: Model) -> None:
        """Let a runner that failed go: an accelerator that comes back needs a fresh one."""
        runner = self._runners.pop((worker, model.key), None)
        if runner is not None:
            runner.close()

    def retire(self, worker: int) -> None:
        """Let the interpreters of a worker go that has ended."""
        # A copy: other workers open theirs meanwhile.
        for key in [key for key in list(self._runners) if key[0] == worker]:
            self._runners.pop(key).close()

    def close(self) -> None:
        """Let all interpreters go; no worker may be running."""
        while self._runners:
            self._runners.popitem()[1].close()
