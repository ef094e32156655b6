"""Records a stream: its source as the daemon opens it, and nothing else of the daemon."""

from __future__ import annotations

from collections.abc import Callable

from edge_runtime.clock import Clock
from edge_runtime.daemon.control_requests import ControlRequests
from edge_runtime.errors import EMPTY, EdgeError, SourceError, Text, because
from edge_runtime.options import Polygon, StreamOptions
from edge_runtime.options.recorded import Recorded
from edge_runtime.raw import Frame, Samples
from edge_runtime.sources.recorder import Origin, Recorder
from edge_runtime.stream.build import SLOTS_BESIDE_WORKERS, build_capture, source_opener
from edge_runtime.stream.capture import Capture
from edge_runtime.stream.health import Progress, StreamHealth

TICK_S = 0.25
SYNC_EVERY_S = 5.0  # what a power cut may cost
STOP_TIMEOUT_S = 10.0

Show = Callable[[Recorder], None]


class RecordTask:
    """Appends what its source gives to a recording. Fills in `task.Task`."""

    def __init__(
        self, stream: StreamOptions, recorder: Recorder, clock: Clock, wants: ControlRequests
    ) -> None:
        self.name = stream.name
        self._mask = stream.mask
        self.health = StreamHealth()
        self.progress = Progress(clock.monotonic())
        self.on_failure: Callable[[Exception], None] = lambda _error: None
        self.full = EMPTY
        self.fault = EMPTY
        self._recorder = recorder
        self._wants = wants

    @property
    def worked(self) -> int:
        return self._recorder.samples

    def offer(self, sample: Frame | Samples) -> None:
        if self.full or self.fault:
            return
        if self._mask and isinstance(sample, Frame):
            sample = masked(sample, self._mask)
        try:
            self.full = self._recorder.add(sample)
        except OSError as error:
            self.fault = Text(
                "{folder}: cannot be written ({reason})",
                folder=self._recorder.folder,
                reason=because(error),
            )
        if self.full or self.fault:
            self._wants.ask("stop")

    def failed(self) -> bool:
        return False

    @property
    def doubt(self) -> Text:
        return EMPTY

    def recover(self) -> None: ...

    def finish(self, timeout_s: float) -> bool:  # noqa: ARG002 - nothing waits
        return True

    def close(self) -> None: ...


def masked(frame: Frame, polygons: tuple[Polygon, ...]) -> Frame:
    """Return a frame as the stream's model would see it."""
    from edge_runtime.mask import PrivacyMask  # imports OpenCV

    return PrivacyMask(polygons).apply(frame)


def origin_of(stream: StreamOptions) -> Origin:
    """Return what a manifest says of a stream's source."""
    sensor = stream.sensor
    if sensor is None:
        return Origin(stream.name, stream.source.kind)
    return Origin(stream.name, sensor.kind, sensor.units, tuple(sorted(sensor.float32_channels)))


def record(
    stream: StreamOptions, recorder: Recorder, clock: Clock, wants: ControlRequests, show: Show
) -> tuple[Recorded, bool]:
    """Record until the recording is full, the source has ended, or somebody wants it to stop.

    Returns the manifest, and False where a thread was left behind that hangs in a native call.
    Raises SourceError where the source cannot be opened, EdgeError where the disk fails.
    """
    task = RecordTask(stream, recorder, clock, wants)
    opener = source_opener(stream.source, clock, None, SLOTS_BESIDE_WORKERS)
    capture = build_capture(task, stream.source, opener, clock, lambda: None)
    ended = Text("it failed")
    capture.start()
    try:
        ended = watch(task, capture, recorder, clock, wants, show)
    finally:
        all_ended = capture.stop(STOP_TIMEOUT_S)
        recorded = close(recorder, task.fault or ended)
    if task.fault:
        raise EdgeError(task.fault)
    if recorded is None:
        raise EdgeError("nothing was recorded of '{stream}': no sample came", stream=stream.name)
    return recorded, all_ended


def watch(
    task: RecordTask,
    capture: Capture,
    recorder: Recorder,
    clock: Clock,
    wants: ControlRequests,
    show: Show,
) -> Text:
    """Look after a recording; return why it ends."""
    begun_s = synced_s = clock.monotonic()
    while True:
        is_asked = wants.wait(TICK_S) == "stop"
        if task.full or task.fault or is_asked:
            return task.full or task.fault or Text("it was stopped")
        if capture.ended.is_set():
            return Text("the source has ended")
        now_s = clock.monotonic()
        capture.check(now_s)
        if task.health.state == "degraded":
            # What was there and is lost may come back; what never was there is a mistake.
            if not recorder.samples or capture.stuck:
                raise SourceError(task.health.reason)
            if now_s - begun_s >= recorder.limits.max_s:
                return Text("its time is over")
        if now_s - synced_s >= SYNC_EVERY_S:
            recorder.sync()
            synced_s = now_s
        show(recorder)


def close(recorder: Recorder, ended: Text) -> Recorded | None:
    """End a recording. Raises EdgeError where the disk fails; what is there plays all the same."""
    try:
        return recorder.close(ended)
    except OSError as error:
        raise EdgeError(
            "{folder}: its end cannot be written ({reason})",
            folder=recorder.folder,
            reason=because(error),
        ) from None
