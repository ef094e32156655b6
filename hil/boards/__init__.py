"""The kinds of board, imported when one is asked for."""

from __future__ import annotations

from importlib import import_module

from hil.board import Bench

KINDS = {
    "nspawn": "hil.boards.nspawn:NspawnBench",
    "qemu": "hil.boards.qemu:QemuBench",
    "arm64": "hil.boards.arm64:Arm64Bench",
    "ssh": "hil.boards.ssh:SshBench",
}


def bench(kind: str) -> Bench:
    """Return the bench of a kind of board."""
    module, _, name = KINDS[kind].partition(":")
    made: Bench = getattr(import_module(module), name)()
    return made
