"""What the process gives its device."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import msgspec

from edge_runtime.clock import Clock
from edge_runtime.daemon.uplink import Uplink
from edge_runtime.isolation.children import ChildFactory
from edge_runtime.model.trial_ledger import TrialLedger
from edge_runtime.publish.contract import OnCommand, Publisher, PublisherSettings
from edge_runtime.stream.crash_guard import CrashGuard
from edge_runtime.stream.vision_task import Observe

MakePublisher: TypeAlias = Callable[[PublisherSettings, Clock, OnCommand], Publisher]


class DaemonContext(msgspec.Struct, frozen=True):
    """What a device is given by the process."""

    clock: Clock
    state_dir: Path
    ledger: TrialLedger
    uplink: Uplink
    make_publisher: MakePublisher
    crashes: CrashGuard
    children: ChildFactory | None = None
    observe: Observe | None = None
