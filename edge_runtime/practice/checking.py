"""A check: listens to what reaches the office, asks the board's own commands, and judges."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import msgspec
import tomli

from edge_runtime.broker.reasons import LinkError
from edge_runtime.consume.arrivals import ReceivedMessage
from edge_runtime.consume.connection import SubscribedConnection
from edge_runtime.daemon.status_socket import ask
from edge_runtime.encode.reader import PayloadError, Reader
from edge_runtime.errors import EdgeError, Text
from edge_runtime.language import N_, Code
from edge_runtime.options import BrokerOptions
from edge_runtime.practice.conditions import (
    ARRIVALS,
    Condition,
    DoctorAgrees,
    is_patient,
    unmet,
)
from edge_runtime.practice.control import request
from edge_runtime.practice.evidence import ArrivedRecord, DoctorTold, Evidence
from edge_runtime.practice.exercise import Exercise
from edge_runtime.practice.places import SiteFolder
from edge_runtime.practice.processes import PROGRAM
from edge_runtime.practice.values import SiteValues
from edge_runtime.topics import ROOT

STARTS_WITHIN_S = 20.0
COMMAND_S = 120.0
TICK_S = 0.25
NOT_LOADED = N_(
    "The file was changed after the daemon read it. Let the daemon read it: "
    "`edge-runtime practice restart`."
)
WRONG_FILE = N_(
    "The board's file cannot be used: `edge-runtime check` with --config names the place."
)
NOT_RUNNING = N_("The daemon does not stay up: the last lines of its log say why.")


class CheckResult(msgspec.Struct, frozen=True):
    """What is wrong still (nothing: it is mended), and what to say to a wrong turn."""

    faults: list[Text]
    remarks: list[str]

    @property
    def is_mended(self) -> bool:
        """Whether all that the exercise asks for was measured."""
        return not self.faults


def check_site(exercise: Exercise, site: SiteFolder, values: SiteValues, code: Code) -> CheckResult:
    """Measure and judge; `code`: the language of what the doctor says.

    Raises EdgeError where the site does not answer.
    """
    evidence = gather(exercise, site, values, code)
    if evidence.status_before is None:
        return CheckResult(
            [Text("the board's daemon does not run")], common_remarks(site, evidence)
        )
    faults = unmet(exercise.goals, evidence)
    remarks: list[str] = []
    if faults:
        remarks = [turn.text for turn in exercise.wrong_turns if turn.when.fault(evidence) is None]
        remarks += common_remarks(site, evidence)
    return CheckResult(faults, remarks)


def gather(exercise: Exercise, site: SiteFolder, values: SiteValues, code: Code) -> Evidence:
    """Return what one check goes by."""
    turns = tuple(turn.when for turn in exercise.wrong_turns)
    evidence = Evidence(config=read_config(site.config()))
    evidence.status_before = await_daemon(site)
    if evidence.status_before is None:
        return evidence
    listen(exercise, values, evidence)
    evidence.status = status_of(site)
    evidence.facts = request(site, "facts")["facts"]
    if any(isinstance(one, DoctorAgrees) for one in exercise.goals + turns):
        evidence.findings = examine(site, code)
    return evidence


def listen(exercise: Exercise, values: SiteValues, evidence: Evidence) -> None:
    """Take in what reaches the office, until the goals are reached or the time is over."""
    arrivals = tuple(one for one in exercise.goals if isinstance(one, ARRIVALS))
    started_s = time.monotonic()
    if exercise.broker.managed or not (arrivals or is_patient(exercise.goals)):
        if is_patient(exercise.goals):
            time.sleep(exercise.listen_s)
        evidence.listened_s = time.monotonic() - started_s
        return
    url = f"mqtt://127.0.0.1:{values.office_port}"
    connection = SubscribedConnection(BrokerOptions(url), f"{ROOT}/#")
    try:
        connection.open()
        take_in(connection, exercise, arrivals, evidence)
    except LinkError:  # it may be down: that is for the goals to say
        time.sleep(exercise.listen_s)
    finally:
        connection.close()
        evidence.listened_s = time.monotonic() - started_s


def take_in(
    connection: SubscribedConnection,
    exercise: Exercise,
    arrivals: tuple[Condition, ...],
    evidence: Evidence,
) -> None:
    """Collect records; the clock of each is when it came."""
    reader, started_s = Reader(), time.monotonic()
    is_whole = is_patient(exercise.goals)
    while True:
        message = connection.take(TICK_S)
        evidence.listened_s = time.monotonic() - started_s
        if isinstance(message, ReceivedMessage) and not message.retained:
            try:
                decoded = reader.decode(message.topic, message.payload)
            except PayloadError:
                decoded = None
            if decoded is not None and decoded.stream:
                evidence.arrivals.append(ArrivedRecord(decoded, time.time()))
        if evidence.listened_s >= exercise.listen_s:
            return
        if not is_whole and not unmet(arrivals, evidence):
            return


def await_daemon(site: SiteFolder) -> dict[str, Any] | None:
    """Return what the daemon says of itself once it does; None where it ends again and again."""
    deadline_s = time.monotonic() + STARTS_WITHIN_S
    ends = ends_of(site)
    while (told := status_of(site)) is None:
        # The first end may be that of a daemon that had read the file before it was corrected.
        if ends_of(site) >= ends + 2 or time.monotonic() >= deadline_s:
            return None
        time.sleep(TICK_S)
    return told


def ends_of(site: SiteFolder) -> int:
    """Return how often the board's daemon has ended by itself."""
    return int(request(site, "facts")["facts"]["board_ends"])


def status_of(site: SiteFolder) -> dict[str, Any] | None:
    """Return what the board's daemon says of itself; None where it does not answer."""
    try:
        return ask(site.state())
    except EdgeError:  # it starts, or ends
        return None


def examine(site: SiteFolder, code: Code) -> list[DoctorTold]:
    """Return the doctor's findings, in a language."""
    files = ("--config", str(site.config()), "--state-dir", str(site.state()))
    done = typed_on_board("doctor", *files, "--json", "--lang", code)
    try:
        return msgspec.json.decode(done.stdout, type=list[DoctorTold])
    except msgspec.MsgspecError:
        return []


def typed_on_board(*words: str) -> subprocess.CompletedProcess[bytes]:
    """Run one of the program's commands, as the person types it."""
    return subprocess.run(
        [*PROGRAM, *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_S,
        check=False,
    )  # fmt: skip


def common_remarks(site: SiteFolder, evidence: Evidence) -> list[str]:
    """Return what is worth saying whatever the exercise is."""
    if evidence.config is None:
        return [WRONG_FILE]
    if evidence.status is None:
        return [NOT_RUNNING]
    try:
        changed_s = site.config().stat().st_mtime
        loaded_s = (site.state() / "status.sock").stat().st_mtime
    except OSError:
        return []
    return [NOT_LOADED] if changed_s > loaded_s else []


def read_config(file: Path) -> dict[str, Any] | None:
    """Return a file's tables; None where it is no TOML."""
    try:
        return tomli.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return None
