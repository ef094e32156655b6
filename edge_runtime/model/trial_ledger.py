"""Remembers which models have passed their trial, and sees to it that no other is opened."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from contextlib import nullcontext
from pathlib import Path

import msgspec

from edge_runtime.durable import replace_file
from edge_runtime.infer.child import TimedOutError
from edge_runtime.infer.placement import DelegatePlacement
from edge_runtime.manifest import Pack
from edge_runtime.model.delegate_opens import DelegateOpens
from edge_runtime.model.fingerprint import fingerprint
from edge_runtime.model.trial import TRIAL_TIMEOUT_S, try_pack
from edge_runtime.options import DelegateOptions

log = logging.getLogger("edge_runtime.model")

FILE = "trials.json"
MOST_ROWS = 100  # each upgrade of a kernel or a pack leaves one behind


class Tried(msgspec.Struct, frozen=True, omit_defaults=True):
    """A model that passed, with what the accelerator took of it; or one that `hung` there."""

    pack: str
    accelerator: DelegatePlacement | None = None
    hung: bool = False


class TrialLedger:
    """Remembers trials in a file of the state folder, which is safe to delete. Any thread.

    With `opens`, the daemon's, a model on whose accelerator the power failed is tried again, and is
    refused where that happened again and again.
    """

    def __init__(
        self,
        state_dir: Path,
        opens: DelegateOpens | None = None,
        *,
        timeout_s: float = TRIAL_TIMEOUT_S,
    ) -> None:
        self._file = state_dir / FILE
        self.opens = opens
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._retried: set[str] = set()  # passed once more, after a failure of the power
        # An accelerator serves one process: of two trials at once one would find it taken.
        self._turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def ensure(self, pack: Pack, *, forced: str, delegate: DelegateOptions | None) -> None:
        """Run the trial unless this very combination has passed before. Raises as `try_pack`."""
        key = fingerprint(pack, forced, delegate)
        if delegate is None:
            if not self._has_passed(key):
                try_pack(pack, forced=forced, timeout_s=self._timeout_s)
                self._note(key, Tried(pack.ref.full_name))
            return
        if self.opens is not None:
            self.opens.check(key)
        with self._turns[delegate.library]:
            if not self._has_passed(key):
                self._try_on(delegate, pack, forced, key)

    def is_due(self, pack: Pack, *, forced: str, delegate: DelegateOptions | None) -> bool:
        """Say whether a trial has to come, and gave an answer when it was taken last."""
        key = fingerprint(pack, forced, delegate)
        tried = self._read().get(key)
        if tried is None:
            return True
        return not tried.hung and self._is_to_retry(key)

    def _try_on(self, delegate: DelegateOptions, pack: Pack, forced: str, key: str) -> None:
        name = pack.ref.full_name
        mark = (
            self.opens.under_way(key, library=delegate.library, pack=name)
            if self.opens is not None
            else nullcontext()
        )
        try:
            with mark:
                placement = try_pack(
                    pack, forced=forced, delegate=delegate, timeout_s=self._timeout_s
                ).placement
        except TimedOutError:
            self._note(key, Tried(name, hung=True))
            raise
        self._note(key, Tried(name, placement))
        self._retried.add(key)
        if placement is not None:
            log.info("%s: %s", name, placement.describe())

    def _has_passed(self, key: str) -> bool:
        if self._is_to_retry(key):
            return False
        tried = self._read().get(key)
        return tried is not None and not tried.hung

    def _is_to_retry(self, key: str) -> bool:
        return self.opens is not None and self.opens.is_suspect(key) and key not in self._retried

    def _read(self) -> dict[str, Tried]:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=dict[str, Tried])
        except (OSError, ValueError):  # none yet, or of an earlier version
            return {}

    def _note(self, key: str, tried: Tried) -> None:
        with self._lock:
            rows = {name: one for name, one in self._read().items() if name != key}
            kept = dict([*rows.items(), (key, tried)][-MOST_ROWS:])
            try:
                replace_file(self._file, msgspec.json.format(msgspec.json.encode(kept), indent=1))
            except OSError:
                return  # a cache: without it the next start takes the trial again
