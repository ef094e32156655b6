"""A board that runs a shell command and takes what is given to it: all else is made of that."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from shlex import quote

from hil.board import Done

GRACE_S = 10.0
EVERY_S = 0.2
TRANSFER_S = 300.0


class Remote:
    """Runs commands and moves files by `run_there`; knows nothing of power or links."""

    def run_there(self, command: str, timeout_s: float, given: bytes) -> tuple[int, bytes]:
        """Run a shell command on the board as root; return exit status, and both outputs as one.

        Raises an exception where the board does not answer within the time.
        """
        raise NotImplementedError

    def sh(self, command: str, timeout_s: float = 60.0) -> Done:
        rc, said = self._run(command, timeout_s, b"")
        return Done(rc, said.decode(errors="replace"))

    def wait_until(self, command: str, timeout_s: float) -> None:
        deadline_s = time.monotonic() + timeout_s
        while (done := self.sh(command, timeout_s)).rc != 0:
            assert time.monotonic() < deadline_s, f"never on the board: {command}\n{done.out}"
            time.sleep(EVERY_S)

    def put(self, local: Path, remote: str) -> None:
        packed = subprocess.run(
            ["tar", "-C", local.parent, "--owner=0", "--group=0", "-c", local.name],
            stdout=subprocess.PIPE,
            check=True,
        )
        unpacked = (
            'mkdir -p "$(dirname "$0")" && aside=$(mktemp -d "$0.XXXXXX") && tar -C "$aside" -x && '
            'rm -rf "$0" && mv "$aside/$1" "$0" && rmdir "$aside" && '
            'sync "$0" "$(dirname "$0")"'  # a power cut may come next
        )
        command = f"sh -c {quote(unpacked)} {quote(remote)} {quote(local.name)}"
        rc, said = self._run(command, TRANSFER_S, packed.stdout)
        assert rc == 0, f"{remote}: {said.decode(errors='replace')}"

    def get(self, remote: str, local: Path) -> None:
        rc, said = self._run(f"cat {quote(remote)}", TRANSFER_S, b"")
        assert rc == 0, said.decode(errors="replace")
        local.write_bytes(said)

    def _run(self, command: str, timeout_s: float, given: bytes) -> tuple[int, bytes]:
        # The board's own `timeout` ends what hangs there; ours is for a board that hangs itself.
        inner = f"timeout -k 5 {timeout_s:.0f} sh -c {quote(command)}"
        return self.run_there(inner, timeout_s + GRACE_S, given)


class Shell(Remote):
    """A board whose console is a program here."""

    def argv(self, command: str) -> list[str]:
        """Return the program and arguments that run a shell command on the board as root."""
        raise NotImplementedError

    def run_there(self, command: str, timeout_s: float, given: bytes) -> tuple[int, bytes]:
        done = subprocess.run(
            self.argv(command),
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            check=False,
        )
        return done.returncode, done.stdout
