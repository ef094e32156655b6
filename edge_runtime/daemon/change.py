"""How a change of the configuration goes: one table of transitions, and what carries it out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Literal, NamedTuple, Protocol, TypeAlias

import msgspec

from edge_runtime.daemon.loading import LoadedConfig
from edge_runtime.daemon.probation import Probation
from edge_runtime.errors import EMPTY, OutboxError, Text, UsageError
from edge_runtime.stream.task import describe

log = logging.getLogger("edge_runtime.daemon")

ChangeState: TypeAlias = Literal[
    "settled", "checking", "applying", "on probation", "checking another", "undoing", "broken"
]
ChangeEvent: TypeAlias = Literal[
    "proposed", "refused", "accepted", "applied", "failed", "proved", "unproved", "undone"
]
ChangeAction: TypeAlias = Literal[
    "check", "refuse", "apply", "watch", "keep", "let stand", "supersede", "undo", "tell", "end"
]


class Transition(NamedTuple):
    """What an event leads to in a state: the next state, and what is done on the way."""

    state: ChangeState
    event: ChangeEvent
    next_state: ChangeState
    action: ChangeAction


# A change that did not prove itself in time: `failed` where it asked to be undone then, `unproved`
# where it is to stay. Of one that could not be applied there is nothing to stay: it is undone.
TRANSITIONS = (
    #           state               event       next state          action
    Transition("settled",          "proposed", "checking",         "check"),
    Transition("checking",         "refused",  "settled",          "refuse"),
    Transition("checking",         "accepted", "applying",         "apply"),
    Transition("applying",         "applied",  "on probation",     "watch"),
    Transition("applying",         "failed",   "undoing",          "undo"),
    Transition("on probation",     "proved",   "settled",          "keep"),
    Transition("on probation",     "failed",   "undoing",          "undo"),
    Transition("on probation",     "unproved", "settled",          "let stand"),
    Transition("on probation",     "proposed", "checking another", "check"),
    Transition("checking another", "refused",  "on probation",     "refuse"),
    Transition("checking another", "accepted", "applying",         "supersede"),
    Transition("undoing",          "undone",   "settled",          "tell"),
    Transition("undoing",          "failed",   "broken",           "end"),
)  # fmt: skip
NEXT = {(row.state, row.event): row for row in TRANSITIONS}

Ending: TypeAlias = Literal["kept", "refused", "undone", "unproved", "superseded"]


class ChangeOutcome(msgspec.Struct, frozen=True):
    """What became of a change, and why. `unproved`: it is in force all the same."""

    ending: Ending
    reason: Text = EMPTY


class ConfigChange(msgspec.Struct, frozen=True):
    """A wish for another configuration.

    `load` reads and checks it (raises UsageError). `on_failure`: what to do where it does not prove
    itself in time. `on_outcome` is called once, by the supervisor's thread: it may answer whoever
    asked. `retries`: streams that do not work are tried again, whether they changed or not.
    """

    load: Callable[[], LoadedConfig]
    on_outcome: Callable[[ChangeOutcome], None]
    on_failure: Literal["undo", "stay"] = "undo"
    retries: bool = False


class ChangeTarget(Protocol):
    """The device, as far as changes are about it. All calls: the supervisor's thread."""

    def loaded(self) -> LoadedConfig:
        """Return what runs."""
        ...

    def begin_probation(self) -> Probation:
        """Note how everything is before a change, to hold it against what follows."""
        ...

    def apply(self, loaded: LoadedConfig, probation: Probation, *, retries: bool) -> None:
        """Come to run another configuration; whatever it raises, it did not."""
        ...

    def missing(self, probation: Probation) -> Text:
        """Return what has not come up again, one line; empty: the change has proved itself."""
        ...

    def keep(self, loaded: LoadedConfig) -> None:
        """Remember what has proved itself as the last good configuration."""
        ...


class ChangeMachine:
    """Carries changes out, one at a time, by the table. The supervisor's thread calls `look`.

    One that comes while another is on probation is checked beside it. Is it fit to run, it takes
    the place of the other; what is gone back to stays what had proved itself before both.
    """

    def __init__(self, target: ChangeTarget) -> None:
        self.state: ChangeState = "settled"
        self._target = target
        self._waiting: SimpleQueue[ConfigChange] = SimpleQueue()
        self._proposed: ConfigChange | None = None  # being checked
        self._change: ConfigChange | None = None  # being applied, on probation or undone
        self._checked: LoadedConfig | None = None
        self._before: LoadedConfig | None = None
        self._probation: Probation | None = None
        self._reason = EMPTY
        self._fault: Exception | None = None
        self._actions: dict[ChangeAction, Callable[[], ChangeEvent | None]] = {
            "check": self._check,
            "refuse": self._refuse,
            "apply": self._apply,
            "watch": lambda: None,
            "keep": self._keep,
            "let stand": lambda: self._conclude("unproved"),
            "supersede": self._supersede,
            "undo": self._undo,
            "tell": lambda: self._conclude("undone"),
            "end": self._end,
        }

    def propose(self, change: ConfigChange) -> None:
        """Ask for a change; any thread. It is taken up by the next `look`."""
        self._waiting.put(change)

    def look(self, now_s: float) -> None:
        """Take up what was proposed, and see whether what is on probation has proved itself."""
        try:
            self._proposed = self._waiting.get_nowait()
        except Empty:
            self._judge(now_s)
        else:
            self._fire("proposed")

    def _fire(self, event: ChangeEvent | None) -> None:
        while event is not None:
            row = NEXT[self.state, event]
            self.state = row.next_state
            event = self._actions[row.action]()

    def _judge(self, now_s: float) -> None:
        if self.state != "on probation":
            return
        assert self._probation is not None
        assert self._change is not None
        missing = self._target.missing(self._probation)
        if not missing:
            self._fire("proved")
        elif now_s >= self._probation.ends_at_s:
            self._reason = Text(
                "not proved within {seconds:.0f} s: {missing}",
                seconds=self._probation.lasts_s,
                missing=missing,
            )
            self._fire("failed" if self._change.on_failure == "undo" else "unproved")

    def _check(self) -> ChangeEvent:
        assert self._proposed is not None
        try:
            self._checked = self._proposed.load()
        except (UsageError, OutboxError) as error:
            self._reason = error.text
            return "refused"
        except Exception as error:
            log.exception("a configuration could not be checked")
            self._reason = describe(error)
            return "refused"
        return "accepted"

    def _refuse(self) -> None:
        proposed, self._proposed = self._proposed, None
        assert proposed is not None
        tell(proposed, ChangeOutcome("refused", self._reason))

    def _apply(self) -> ChangeEvent:
        self._before = self._target.loaded()
        self._probation = self._target.begin_probation()
        return self._take()

    def _supersede(self) -> ChangeEvent:
        assert self._change is not None
        reason = Text("another change came before it had proved itself")
        tell(self._change, ChangeOutcome("superseded", reason))
        return self._take()

    def _take(self) -> ChangeEvent:
        self._change, self._proposed = self._proposed, None
        assert self._change is not None
        assert self._checked is not None
        assert self._probation is not None
        try:
            self._target.apply(self._checked, self._probation, retries=self._change.retries)
        except Exception as error:
            log.exception("the configuration could not be applied")
            self._reason = describe(error)
            return "failed"
        return "applied"

    def _undo(self) -> ChangeEvent:
        assert self._before is not None
        assert self._probation is not None
        try:
            self._target.apply(self._before, self._probation, retries=False)
        except Exception as error:
            self._fault = error
            return "failed"
        return "undone"

    def _keep(self) -> None:
        assert self._checked is not None
        self._target.keep(self._checked)
        self._reason = EMPTY
        self._conclude("kept")

    def _conclude(self, ending: Ending) -> None:
        change, self._change = self._change, None
        assert change is not None
        tell(change, ChangeOutcome(ending, self._reason))

    def _end(self) -> None:
        """Let the process end: whoever watches over it starts it again, by the file."""
        assert self._fault is not None
        self._conclude("undone")
        raise self._fault


def tell(change: ConfigChange, outcome: ChangeOutcome) -> None:
    """Answer whoever asked for a change; nothing that fails there is the device's matter."""
    try:
        change.on_outcome(outcome)
    except Exception:
        log.exception("the outcome of a change could not be told")
