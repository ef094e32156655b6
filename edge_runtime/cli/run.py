"""`edge-runtime run`: the daemon."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_runtime.cli.exiting import exit_unless
from edge_runtime.cli.localized import LocalizedCommand
from edge_runtime.cli.logs import set_up_logging
from edge_runtime.cli.paths import state_dir_option
from edge_runtime.language import N_

if TYPE_CHECKING:
    from edge_runtime.board.notify import Notifier
    from edge_runtime.daemon.control_requests import ControlRequests
    from edge_runtime.daemon.crash_loop import CrashLoopGuard


@click.command(
    cls=LocalizedCommand,
    help=N_(
        "Run the daemon: SIGTERM and SIGINT stop it cleanly, SIGHUP reads the configuration again."
    ),
)
@click.option("--config", "config_file", type=click.Path(path_type=Path), required=True)
@state_dir_option
@click.option("--stdout", is_flag=True, help=N_("Print results as JSON lines; use no broker."))
@click.option("--verbose", is_flag=True, help=N_("Log more."))
def run(config_file: Path, state_dir: Path, stdout: bool, verbose: bool) -> None:
    """Run the daemon: SIGTERM and SIGINT stop it cleanly, SIGHUP reads the configuration again."""
    from edge_runtime.board.notify import Notifier
    from edge_runtime.daemon.control_requests import ControlRequests
    from edge_runtime.daemon.crash_loop import CrashLoopGuard, boot_id, wait_turn

    set_up_logging(verbose=verbose)
    notifier, wants = Notifier(os.environ), ControlRequests()
    signal.signal(signal.SIGTERM, lambda *_: wants.ask("stop"))
    signal.signal(signal.SIGINT, lambda *_: wants.ask("stop"))
    signal.signal(signal.SIGHUP, lambda *_: wants.ask("reload"))
    starts = CrashLoopGuard(state_dir, boot_id())
    # Nobody starts a daemon again that was started by hand.
    if notifier.is_heard and not wait_turn(starts, wants, notifier):
        starts.reset()
        return
    ended = run_daemon(config_file, state_dir, notifier, wants, starts, stdout=stdout)
    starts.reset()
    exit_unless(all_ended=ended)


def run_daemon(
    config_file: Path,
    state_dir: Path,
    notifier: Notifier,
    wants: ControlRequests,
    starts: CrashLoopGuard,
    *,
    stdout: bool,
) -> bool:
    """Import what is heavy and run; False where a thread was left behind that hangs."""
    from edge_runtime import startup

    startup.before_imports()

    from edge_runtime.clock import SystemClock
    from edge_runtime.daemon.build import build_mqtt, build_stdout
    from edge_runtime.daemon.daemon import Daemon
    from edge_runtime.packs.catalogue import bundled_models
    from edge_runtime.packs.store import PackStore
    from edge_runtime.stream.crash_guard import CrashGuard

    return Daemon(
        config_file,
        state_dir,
        PackStore(state_dir, bundled_models()),
        SystemClock(),
        notifier,
        wants,
        starts,
        build_stdout if stdout else build_mqtt,
        crashes=CrashGuard.of_service(os.environ),
    ).run()
