"""What comes of an input case: a configuration and an input in, records as JSON lines out."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge_runtime.clock import ManualClock
from edge_runtime.daemon.build import build_encoder
from edge_runtime.errors import UsageError
from edge_runtime.framing import framing_of
from edge_runtime.framing.rows import Framing
from edge_runtime.framing.timeline import Timeline
from edge_runtime.infer.pool import Pool
from edge_runtime.jobs.replay import Printer
from edge_runtime.model.runner import RunnerCache
from edge_runtime.model.trial_ledger import TrialLedger
from edge_runtime.options import Config, SerialOptions
from edge_runtime.packs.catalogue import bundled_models
from edge_runtime.packs.store import PackStore
from edge_runtime.stream.build import load_checked
from edge_runtime.stream.build_sensor import build_sensor
from edge_runtime.stream.builder import StreamBuilder, build_streams
from edge_runtime.stream.setup import setups_of
from support.engine import no_limit
from support.paths import ROOT

CASES = ROOT / "tests" / "cases"
CONFIGURATION, EXPECTED, SERIAL_INPUT = "edge-runtime.toml", "expected.jsonl", "input.log"
DONE_S = 60.0


def input_cases() -> list[Path]:
    """Return the folders of all cases with an input."""
    return sorted(file.parent for file in CASES.glob(f"*/*/{CONFIGURATION}"))


def answer(case: Path, state_dir: Path) -> str:
    """Return the records that a case leads to, then what is said beside them, if anything is.

    Of a configuration or an input that is refused: the error.
    """
    clock, out = ManualClock(), io.StringIO()
    try:
        config, packs = load_checked(
            case / CONFIGURATION, PackStore(state_dir, bundled_models()), clock
        )
        sink = Printer(build_encoder(config, packs), out)
        if (case / SERIAL_INPUT).exists():
            said = run_serial(config, case / SERIAL_INPUT, sink, clock)
        else:
            said = run_file(config, packs, sink, clock, state_dir)
    except UsageError as error:
        said = {"error": str(error)}
    records = [json.loads(line) for line in out.getvalue().splitlines()]
    lines = [{one["topic"].partition("/board/")[2]: one["payload"]} for one in records]
    if said:
        lines.append(said)
    text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in lines)
    return text.replace(str(case), "FOLDER")


def run_serial(config: Config, log: Path, sink: Printer, clock: ManualClock) -> dict[str, Any]:
    """Give a sensor's bytes to its stream, each piece at its time; return what is said of them."""
    (setup,) = setups_of(config, {})
    source = setup.options.source
    assert isinstance(source, SerialOptions)
    framing = framing_of(source.framing)
    timeline = Timeline(framing.rows.names, source.rate_hz, source.byte_s)
    task = build_sensor(setup, sink, clock, no_limit(clock))
    begun_s = clock.monotonic()
    for at_s, data in pieces(log):
        clock.advance(begun_s + at_s - clock.monotonic())
        for block in timeline.blocks(framing.feed(data), len(data), clock.now()):
            task.offer(block)
    assert not task.failed()
    return said_of_serial(framing, {name: str(why) for name, why in task.health.channels.items()})


def pieces(log: Path) -> Iterator[tuple[float, bytes]]:
    """Yield what came and when: a line is `SECONDS "text"`, or `SECONDS` and bytes in hex."""
    for line in log.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            at_s, _, came = line.partition(" ")
            is_text = came.startswith('"')
            data = json.loads(came).encode("latin-1") if is_text else bytes.fromhex(came)
            yield float(at_s), data


def said_of_serial(framing: Framing, channels: dict[str, str]) -> dict[str, Any]:
    """Return what is refused, what is wrong, and what to do about it."""
    tally, cause = framing.rows.tally, framing.cause()
    said = {
        "refused": dict(tally.bad),
        "empty": tally.empty,
        "skipped_bytes": tally.skipped,
        "missing": channels,
        "notice": str(framing.notice),
        "cause": f"{cause.what}; {cause.advice}" if cause is not None else "",
    }
    return {key: value for key, value in said.items() if value}


def run_file(
    config: Config, packs: dict[str, Any], sink: Printer, clock: ManualClock, state_dir: Path
) -> dict[str, Any]:
    """Run a stream's file to its end, in this process; return what is said of it."""
    pool, runners = Pool(2), RunnerCache()
    builder = StreamBuilder(
        pool=pool,
        runners=runners,
        sink=sink,
        clock=clock,
        ledger=TrialLedger(state_dir),
        track_ids=itertools.count(1),
        publish_modes=no_limit(clock),
    )
    (one,) = build_streams(config, packs, builder)
    pool.start()
    one.capture.start()
    try:
        assert one.capture.ended.wait(DONE_S), one.task.health
        assert one.task.finish(DONE_S)
    finally:
        assert one.capture.stop(DONE_S)
        assert pool.stop(DONE_S)
        runners.close()
    health = one.task.health
    said = {"notice": str(health.notice), "reason": str(health.reason)}
    return {key: value for key, value in said.items() if value}
