"""One person's practice: begin an exercise, act at its site, be judged, end it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from edge_runtime.errors import EdgeError, RawText, UsageError
from edge_runtime.language import Code
from edge_runtime.practice.catalogue import ORDER, all_exercises, find_exercise
from edge_runtime.practice.checking import CheckResult, await_daemon, check_site
from edge_runtime.practice.control import request
from edge_runtime.practice.exercise import Exercise, SiteAction
from edge_runtime.practice.needs import missing
from edge_runtime.practice.places import SiteFolder, checked_folder
from edge_runtime.practice.processes import end_leftovers, site_environment
from edge_runtime.practice.progress import (
    PracticeProgress,
    PracticeRun,
    load_progress,
    load_run,
    note_solved,
    save_progress,
    save_run,
)
from edge_runtime.practice.values import SiteValues

STARTS_WITHIN_S = 120.0
ENDS_WITHIN_S = 60.0
TICK_S = 0.1
OWN = "exercises"  # in the practice folder: an office's own


class PracticeSession:
    """The practice folder and what can be done in it. Raises EdgeError; wrong input: UsageError."""

    def __init__(self, folder: Path, own: Path | None) -> None:
        self.folder = checked_folder(folder)
        kept = self.folder / OWN
        self.own = own.absolute() if own is not None else kept if kept.is_dir() else None
        self.progress: PracticeProgress = load_progress(self.folder)

    def exercises(self) -> dict[str, Exercise]:
        """Return all exercises by name, in order."""
        return all_exercises(self.own)

    def next_name(self) -> str:
        """Return the first exercise that is not solved and can be done here."""
        for name, exercise in self.exercises().items():
            if name not in self.progress.solved and missing(exercise) is None:
                return name
        return ORDER[0]

    def site(self, name: str) -> SiteFolder:
        """Return the place of an exercise's site."""
        return SiteFolder(self.folder / name)

    def current(self) -> tuple[str, Exercise, SiteFolder, PracticeRun]:
        """Return the exercise at hand, whose site runs."""
        name = self.progress.current
        if not name:
            raise UsageError("no exercise was begun; `edge-runtime practice start` begins one")
        exercise, site = find_exercise(name, self.own), self.site(name)
        run = load_run(site)
        if run is None or not site.is_running:
            raise UsageError(
                "the site of '{name}' does not run; `edge-runtime practice start {name}` begins "
                "it anew",
                name=name,
            )
        return name, exercise, site, run

    def start(self, name: str, *, hints: int = 0) -> SiteFolder:
        """Bring a site up, after what ran before was ended."""
        exercise = find_exercise(name, self.own)
        if (need := missing(exercise)) is not None:
            raise UsageError("'{name}' cannot be done here: {need}", name=name, need=need)
        self.stop()
        site = self.site(name)
        end_leftovers(site.path)
        site.make()
        self._spawn(name, site)
        save_run(site, PracticeRun(name, time.time(), hints))
        self.progress.current = name
        save_progress(self.folder, self.progress)
        await_daemon(site)
        return site

    def stop(self) -> str:
        """End the site that runs, and what a killed one left; return its name, empty: none ran."""
        name = self.progress.current
        if not name:
            return ""
        site = self.site(name)
        was_running = site.is_running
        if was_running:
            request(site, "stop")
            deadline_s = time.monotonic() + ENDS_WITHIN_S
            while site.is_running and time.monotonic() < deadline_s:
                time.sleep(TICK_S)
        ended = end_leftovers(site.path)
        return name if was_running or ended else ""

    def reset(self) -> SiteFolder:
        """Begin the exercise at hand anew; hints that were given stay given."""
        name = self.progress.current
        if not name:
            raise UsageError("no exercise was begun; `edge-runtime practice start` begins one")
        run = load_run(self.site(name))
        return self.start(name, hints=run.hints if run is not None else 0)

    def hint(self) -> tuple[int, str, int]:
        """Return the next hint's number and text, and how many there are; the last one stays."""
        _name, exercise, site, run = self.current()
        run.hints = min(run.hints + 1, len(exercise.hints))
        save_run(site, run)
        return run.hints, exercise.hints[run.hints - 1], len(exercise.hints)

    def check(self, code: Code) -> CheckResult:
        """Measure whether it is mended, and keep that it is."""
        _name, exercise, site, run = self.current()
        result = check_site(exercise, site, site_values(site), code)
        run.checks += 1
        if result.is_mended and not run.solved_s:
            run.solved_s = time.time()
            note_solved(self.progress, run)
            save_progress(self.folder, self.progress)
        save_run(site, run)
        return result

    def act(self, name: str) -> SiteAction:
        """Do one of the exercise's actions."""
        _name, exercise, site, _run = self.current()
        for action in exercise.actions:
            if action.name == name:
                request(site, "act", name=name)
                return action
        known = ", ".join(action.name for action in exercise.actions)
        raise UsageError(
            "there is no such action here: {name}; known: {known}", name=name, known=known or "-"
        )

    def values(self) -> SiteValues:
        """Return ports and folders of the site at hand."""
        _name, _exercise, site, _run = self.current()
        return site_values(site)

    def restart_board(self) -> bool:
        """Restart the board's daemon; say whether it came up."""
        _name, _exercise, site, _run = self.current()
        request(site, "restart")
        return await_daemon(site) is not None

    def _spawn(self, name: str, site: SiteFolder) -> None:
        own = str(self.own) if self.own is not None and name not in ORDER else ""
        with (site.log / "site.log").open("wb") as log:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "edge_runtime.practice.site_process",
                    *(str(site.path), name, own, str(session_to_end_with())),
                ],
                cwd="/",
                env=site_environment(site.path),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline_s = time.monotonic() + STARTS_WITHIN_S
        while time.monotonic() < deadline_s:
            facts = site.facts()
            if facts.get("state") == "ready":
                return
            if process.poll() is not None or facts.get("state") == "failed":
                break
            time.sleep(TICK_S)
        process.terminate()
        process.wait()
        end_leftovers(site.path)
        raise EdgeError(
            "the site did not start: {reason}; see {log}",
            reason=RawText(str(site.facts().get("reason", ""))),
            log=site.log / "site.log",
        )


def site_values(site: SiteFolder) -> SiteValues:
    """Return what a site's process wrote of its ports and folders. Raises EdgeError."""
    try:
        return msgspec.convert(site.facts().get("values"), SiteValues)
    except msgspec.ValidationError:
        raise EdgeError("the site does not answer; `edge-runtime practice reset`") from None


def session_to_end_with() -> int:
    """Return the leader of the terminal's session, with which a site ends; 0: no terminal."""
    return os.getsid(0) if any(map(os.isatty, (0, 1, 2))) else 0
