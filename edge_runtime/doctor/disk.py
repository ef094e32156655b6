"""Where results wait for a link: room, the right to write, and how the card is."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edge_runtime.board.storage import Storage, storage_of
from edge_runtime.doctor.access import may_use
from edge_runtime.doctor.base import CheckContext, Finding
from edge_runtime.options import OutboxOptions

LEAST_FREE_MB = 16.0
WORN_PERCENT = 80
# A commit a second writes five times as much as one every five seconds: 714 MB a day, not 143.
WEARING_INTERVAL_S = 2.0


def check_disk(context: CheckContext) -> Iterator[Finding]:
    """Is there room for the outbox, and may it be written?"""
    folder = existing(context.state_dir)
    space = os.statvfs(folder)
    if space.f_flag & os.ST_RDONLY:
        text = context.text("{folder}: the file system is read-only", folder=folder)
        yield Finding("disk", "failed", text, advice_on_read_only(context, folder))
        return
    if not writable(folder, context.state_dir):
        yield Finding(
            "disk",
            "failed",
            context.text("{folder} cannot be written", folder=folder),
            context.text(
                "Give it to the user of the service: `sudo chown -R edge-runtime {folder}`.",
                folder=context.state_dir,
            ),
        )
        return
    yield room(context, folder, space.f_bavail * space.f_frsize / 1e6)


def advice_on_read_only(context: CheckContext, folder: Path) -> str:
    """Return what to do; the count of errors tells a failing card from a mount."""
    storage = storage_of(folder, context.root)
    if storage is not None and storage.errors:
        return context.text(
            "{name} counts {errors} errors, at which the kernel stops writing: save what is on the "
            "card and replace it.",
            name=storage.name,
            errors=storage.errors,
        )
    return context.text(
        "The kernel tells of no error, so that it was mounted like this: `findmnt -T {folder}`. "
        "Mount a writable disk there; `dmesg` shows whether it was writable before.",
        folder=folder,
    )


def room(context: CheckContext, folder: Path, free_mb: float) -> Finding:
    """Hold the free space against what the outbox may still come to need."""
    limit_mb = (context.config.outbox if context.config else OutboxOptions()).max_mb
    used_mb = size_of(context.state_dir / "outbox") / 1e6
    needed_mb = max(0.0, limit_mb - used_mb)
    values = {"folder": folder, "free": free_mb, "needed": needed_mb}
    if free_mb < LEAST_FREE_MB or free_mb < needed_mb:
        return Finding(
            "disk",
            "failed" if free_mb < LEAST_FREE_MB else "warning",
            context.text(
                "{folder}: {free:.0f} MB free, but the outbox may need {needed:.0f} MB more",
                **values,
            ),
            context.text(
                "Delete what is not needed (`sudo journalctl --vacuum-size=50M`), lower "
                "outbox.max_mb, or take a larger card."
            ),
        )
    return Finding(
        "disk",
        "ok",
        context.text(
            "{folder}: {free:.0f} MB free; the outbox may need {needed:.0f} MB more", **values
        ),
    )


def check_card(context: CheckContext) -> Iterator[Finding]:
    """Does the card or disk fail, or wear out?"""
    storage = storage_of(existing(context.state_dir), context.root)
    found = [failing(context, storage) if storage is not None else None, overused(context)]
    yield from [one for one in found if one is not None] or [quiet(context, storage)]


def failing(context: CheckContext, storage: Storage) -> Finding | None:
    """Say what the kernel has against a card or disk."""
    if storage.errors or storage.bus_errors:
        text = context.text(
            "{name}: {errors} errors of the file system, {bus} on the card's bus",
            name=storage.name,
            errors=storage.errors or 0,
            bus=storage.bus_errors or 0,
        )
        advice = context.text(
            "Replace the card soon, with one made for long use (high endurance), and check the "
            "power supply: low voltage spoils cards."
        )
        return Finding("card", "failed" if storage.errors else "warning", text, advice)
    if (storage.life_used_percent or 0) >= WORN_PERCENT:
        text = context.text(
            "{name}: about {used} % of its life is used up",
            name=storage.name,
            used=storage.life_used_percent,
        )
        return Finding("card", "warning", text, context.text("Plan its replacement."))
    return None


def overused(context: CheckContext) -> Finding | None:
    """Say that the configuration wears a card out."""
    config = context.config
    if config is None or config.outbox.commit_interval_s >= WEARING_INTERVAL_S:
        return None
    return Finding(
        "card",
        "warning",
        context.text("results are committed so often that the card wears out sooner"),
        context.text(
            "Set outbox.commit_interval_s to 5 or more, unless a power cut may cost nothing."
        ),
    )


def quiet(context: CheckContext, storage: Storage | None) -> Finding:
    """Say how much is known of a card about which nothing bad is known."""
    if storage is None or (storage.errors, storage.life_used_percent) == (None, None):
        return Finding("card", "skipped", context.text("the kernel does not tell"))
    return Finding("card", "ok", context.text("{name}: no errors", name=storage.name))


def existing(folder: Path) -> Path:
    """Return a folder, or its nearest parent that is there: the service makes the rest."""
    return next(path for path in (folder, *folder.absolute().parents) if path.is_dir())


def writable(folder: Path, state_dir: Path) -> bool:
    """Try to write a file, and see that the service may too. Leaves nothing behind."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            # The state folder's owner is the service's user: the unit's groups change nothing.
            return folder != state_dir or may_use(folder, state_dir, {})
    except OSError:
        return False


def size_of(folder: Path) -> int:
    """Return the bytes of the files in a folder; 0 where it is not there or may not be read."""
    try:
        return sum(path.stat().st_size for path in folder.iterdir())
    except OSError:
        return 0
