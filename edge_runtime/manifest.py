"""A model pack's `pack.toml` as typed structs: what the weights expect and what they give."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from edge_runtime.errors import EMPTY, Text
from edge_runtime.labels import wire_labels
from edge_runtime.language import N_
from edge_runtime.options import Fraction, Kind, Section
from edge_runtime.records import ModelRef

NAME_CHARACTERS = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
PackName = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9._-]{0,63}\Z",
        description=N_(
            "a name of lower-case letters a-z, digits, '.', '_' and '-', without spaces, at most "
            "64 characters"
        ),
    ),
]
FileName = Annotated[
    str,
    Meta(
        pattern=rf"^{NAME_CHARACTERS}\Z",
        description=N_(
            "the name of a file in the pack's folder, of letters A-Z and a-z, digits, '.', '_' and "
            "'-', without spaces; rename the file where it has others"
        ),
    ),
]
InnerPath = Annotated[
    str,
    Meta(
        pattern=rf"^{NAME_CHARACTERS}(/{NAME_CHARACTERS}){{0,4}}\Z",
        description=N_(
            "a path within the pack's folder, of letters A-Z and a-z, digits, '.', '_', '-' and "
            "'/', without spaces"
        ),
    ),
]
Sha256 = Annotated[
    str,
    Meta(
        pattern=r"^[0-9A-Fa-f]{64}\Z",
        description=N_("the 64 hex digits that `sha256sum FILE` prints"),
    ),
]
Hertz = Annotated[float, Meta(gt=0.0, le=10_000_000.0)]
HertzOrZero = Annotated[float, Meta(ge=0.0, le=10_000_000.0)]
PerChannel = float | Annotated[tuple[float, ...], Meta(min_length=1, max_length=3)]


class PackSection(Section, frozen=True):
    """`[pack]`: what it is."""

    name: PackName
    version: str
    task: Literal["detection", "classification", "pose", "anomaly"]
    license: str
    description: str = ""


class ModelSection(Section, frozen=True):
    """`[model]`: the weights, their hash, where `models pull` gets them, and what runs them.

    `engine`: a name of `infer.engines`; `auto`: the first that is installed and takes the file.
    """

    file: FileName
    sha256: Sha256
    url: str | None = None
    member: str | None = None
    size_bytes: int | None = None
    engine: str = "auto"

    def __post_init__(self) -> None:
        # Windows prints a hash in capitals.
        msgspec.structs.force_setattr(self, "sha256", self.sha256.lower())


Fault: TypeAlias = tuple[str, Text]  # a key, and what is wrong with it
FLOOR_ORDERS = (0.25, 1.5)  # around lines: from 0.25 shaft orders to 1.5 times the highest order


class StatisticLevels(Kind, frozen=True, tag="statistics"):
    """Statistics of the window without its mean, each in dB (20 log10): all scale alike in int8."""

    of: Annotated[
        tuple[Literal["rms", "peak", "crest_factor", "kurtosis"], ...], Meta(min_length=1)
    ]

    def fault(self, rate_hz: float, size: int) -> Fault | None:  # noqa: ARG002 - any window will do
        """Return what does not fit windows of this rate and size."""
        return None


class BandLevels(Kind, frozen=True, tag="bands"):
    """Power in `count` bands of equal width, in dB relative to their mean: gain does not matter.

    `segment`: samples a frame of the Welch spectrum.
    """

    low_hz: HertzOrZero
    high_hz: Hertz
    count: Annotated[int, Meta(ge=2, le=1024)]
    segment: Annotated[int, Meta(ge=16, le=65536)] = 512

    def fault(self, rate_hz: float, size: int) -> Fault | None:
        """Return what does not fit windows of this rate and size."""
        if text := band_fault((self.low_hz, self.high_hz), rate_hz):
            return "high_hz", text
        if self.segment > size:
            return "segment", frame_fault(self.segment, size)
        width_hz, bin_hz = (self.high_hz - self.low_hz) / self.count, rate_hz / self.segment
        if width_hz >= bin_hz:
            return None
        return "count", Text(
            "bands of {width:g} Hz are narrower than the spectrum's bins of {bin:g} Hz; take fewer "
            "bands or a longer segment",
            width=width_hz,
            bin=bin_hz,
        )


class EnvelopeLevels(Kind, frozen=True, tag="envelope"):
    """The envelope of a carrier band: its modulation depth, then its lines at shaft orders, in dB.

    A line is the greatest amplitude within `tolerance` (a fraction) of order times shaft speed,
    relative to the median around. `shaft_hz` holds where the stream does not give a speed.
    """

    band_hz: tuple[Hertz, Hertz]
    orders: Annotated[tuple[Hertz, ...], Meta(min_length=1, max_length=256)]
    shaft_hz: Hertz
    tolerance: Fraction = 0.03

    def fault(self, rate_hz: float, size: int) -> Fault | None:
        """Return what does not fit windows of this rate and size."""
        if text := band_fault(self.band_hz, rate_hz):
            return "band_hz", text
        if text := self.speed_fault(self.shaft_hz, rate_hz, size):
            return "shaft_hz", text
        return None

    def speed_fault(self, shaft_hz: float, rate_hz: float, size: int) -> Text:
        """Say why the orders leave the envelope's spectrum at a speed; nothing where they fit."""
        low_hz, high_hz = rate_hz / size, size // 2 * rate_hz / size
        reach_hz = FLOOR_ORDERS[1] * max(self.orders) * shaft_hz
        if low_hz <= min(self.orders) * shaft_hz <= reach_hz <= high_hz:
            return EMPTY
        return Text(
            "at {speed:g} turns a second the orders {orders} do not fit into the envelope's "
            "spectrum, {low:g} to {high:g} Hz; correct the shaft speed, or take longer windows",
            speed=shaft_hz,
            orders=list(self.orders),
            low=low_hz,
            high=high_hz,
        )


class LogMelLevels(Kind, frozen=True, tag="log_mel"):
    """A log-mel spectrogram, flattened frame by frame."""

    n_fft: Annotated[int, Meta(ge=16, le=65536)]
    hop: Annotated[int, Meta(ge=1, le=65536)]
    mels: Annotated[int, Meta(ge=1, le=1024)]
    scale: Literal["slaney", "htk"] = "slaney"
    power: Literal[1, 2] = 2

    def fault(self, rate_hz: float, size: int) -> Fault | None:  # noqa: ARG002 - any rate will do
        """Return what does not fit windows of this rate and size."""
        return ("n_fft", frame_fault(self.n_fft, size)) if self.n_fft > size else None


def band_fault(band_hz: tuple[float, float], rate_hz: float) -> Text:
    """Say why a band is none; nothing where it is one."""
    if band_hz[0] < band_hz[1] <= rate_hz / 2.0:
        return EMPTY
    return Text(
        "no band from {low:g} to {high:g} Hz at {rate:g} samples a second; it must rise, up to "
        "{limit:g} Hz",
        low=band_hz[0],
        high=band_hz[1],
        rate=rate_hz,
        limit=rate_hz / 2.0,
    )


def frame_fault(frame: int, size: int) -> Text:
    """Say that a frame is longer than the window."""
    return Text(
        "a frame of {frame} samples is longer than input.size, {size}; make either fit",
        frame=frame,
        size=size,
    )


FeatureOptions: TypeAlias = StatisticLevels | BandLevels | EnvelopeLevels | LogMelLevels


class InputSection(Section, frozen=True):
    """`[input]`: real value = (pixel - mean) / std; quantisation is read from the tensor.

    Of pictures, mean and std that are not said are told by the tensor, see `normalise`; of windows
    they are 0 and 1.

    Windows have `size` samples at `rate_hz`, one every `hop` (not set: every `size`); other rates
    are resampled. The real value is (feature - mean) / std, all `features` one after the other,
    channel after channel; without features the model takes the samples themselves.
    """

    kind: Literal["image", "window"] = "image"
    color: Literal["rgb", "bgr", "gray"] = "rgb"
    resize: Literal["stretch", "letterbox"] = "stretch"
    mean: PerChannel | None = None
    std: PerChannel | None = None
    rate_hz: Hertz | None = None
    size: Annotated[int, Meta(ge=2, le=1_048_576)] | None = None
    hop: Annotated[int, Meta(ge=1, le=1_048_576)] | None = None
    features: Annotated[tuple[FeatureOptions, ...], Meta(max_length=32)] = ()


class OutputSection(Section, frozen=True):
    """`[output]`: how the tensors become records.

    `groups`: labels that stand for each other, in place of what the runtime knows of them.
    """

    decoder: Literal["ssd", "yolo", "classification", "movenet", "reconstruction"]
    labels: FileName | None = None
    label_offset: Annotated[int, Meta(ge=0, le=10_000)] = 0
    iou: Fraction = 0.45
    groups: Annotated[
        tuple[Annotated[tuple[str, ...], Meta(min_length=1, max_length=64)], ...],
        Meta(max_length=64),
    ] = ()


class GoldenSection(Section, frozen=True):
    """`[golden]`: an input of the pack and the result that it must give, within a tolerance.

    `expected` is a JSON file: {"objects": [{label, score, box}]}, {"classes": [{label, score}]}
    or {"people": [{score, keypoints}]}, as in the payloads but for labels, which are whole.
    """

    input: InnerPath
    expected: InnerPath
    tolerance: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.02
    min_score: Fraction = 0.5


class Manifest(Section, frozen=True):
    """The whole of `pack.toml`."""

    pack: PackSection
    model: ModelSection
    input: InputSection
    output: OutputSection
    golden: GoldenSection | None = None


class Pack(msgspec.Struct, frozen=True):
    """A pack whose manifest, labels and weights' hash were checked.

    `labels[class_id]` names a class, whole: `label_offset` is already applied.
    """

    folder: Path
    manifest: Manifest
    labels: tuple[str, ...]

    @property
    def weights(self) -> Path:
        """The weights' file."""
        return self.folder / self.manifest.model.file

    @property
    def ref(self) -> ModelRef:
        """How records name this model and its classes."""
        pack, model = self.manifest.pack, self.manifest.model
        return ModelRef(pack.name, model.sha256, wire_labels(self.labels))
