"""A model that looks at a sensor's windows: cut, features, interpreter, decoder."""

from __future__ import annotations

from collections.abc import Iterator

from edge_runtime.boxes import WHOLE_FRAME
from edge_runtime.clock import Stamp
from edge_runtime.features.vector import WindowInput
from edge_runtime.infer.placement import DelegatePlacement
from edge_runtime.model.runner import Model, decoder_of, naming
from edge_runtime.raw import Samples, Signal
from edge_runtime.records import Decoded
from edge_runtime.window import Windower, whole_parts


class WindowRunner:
    """One backend and what is reused around it from window to window. One thread at a time.

    Raises PackError where the pack does not go with its weights, BackendError where they cannot be
    opened.
    """

    def __init__(self, model: Model) -> None:
        self._backend = model.open_backend(model.pack, model.delegate)
        with naming(model.pack):
            self._input = WindowInput(model.pack.manifest.input, self._backend.input)
            self._decoder = decoder_of(model, self._backend)
        self._buffer = self._backend.new_input()
        self.notes = self._decoder.notes

    @property
    def engine(self) -> str:
        """What runs the model, with its version, such as `ai-edge-litert 2.3.0`."""
        return self._backend.engine

    @property
    def placement(self) -> DelegatePlacement | None:
        """What the accelerator has taken of the model; None: it runs on the CPU."""
        return self._backend.placement

    @property
    def shape(self) -> tuple[int, int]:
        """Samples and channels of a window."""
        return self._input.shape

    def run(self, values: Signal, min_score: float = 0.0) -> Decoded:
        """Say what the model makes of a window.

        `values`: float32, (samples, channels) as `shape` has it, finite. `min_score`: 0 to 1, what
        scores less is left out. Raises BackendError where the engine fails or what it gives is no
        number, SourceError where the window has not the model's shape, does not change or is not
        finite.
        """
        self._input.fill(values, self._buffer)
        outputs = self._backend.infer(self._buffer)
        return self._decoder.decode((*outputs, self._buffer), WHOLE_FRAME, min_score=min_score)

    def close(self) -> None:
        """Let the interpreter go."""
        self._backend.close()


class PackWindowModel:
    """Cuts a sensor's blocks into the windows that a model takes, and runs it on each."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._runner: WindowRunner | None = None
        self.discarded = 0
        self._windower = self._new_windower()

    def _new_windower(self) -> Windower:
        spec = self._model.pack.manifest.input
        assert spec.size is not None  # held against the stream where the configuration is loaded
        assert spec.rate_hz is not None
        return Windower(spec.size, spec.hop or spec.size, spec.rate_hz)

    @property
    def engine(self) -> str:
        return self._runner.engine if self._runner is not None else ""

    @property
    def placement(self) -> DelegatePlacement | None:
        return self._runner.placement if self._runner is not None else None

    def windows(self, block: Samples) -> Iterator[tuple[Stamp, Decoded]]:
        if self._runner is None:
            self._runner = WindowRunner(self._model)
        before = self._windower.discarded
        for part in whole_parts(block):
            for window in self._windower.push(part):
                yield window.stamp, self._runner.run(window.values)
        self.discarded += self._windower.discarded - before

    def restart(self) -> None:
        if self._runner is not None:
            self._runner.close()
            self._runner = None
        self._windower = self._new_windower()
