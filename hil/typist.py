"""A person at a board's console: types lines at a terminal, and answers what is asked there."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import time
from collections.abc import Sequence
from pathlib import Path

PROMPT = "typist> "
STEP_S = 0.2
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Typist:
    """An interactive shell on a terminal of its own. Use as a context manager."""

    def __init__(self, argv: Sequence[str], slowness: float = 1.0) -> None:
        """Take the program whose last argument is a command for a shell, such as a board's."""
        self._argv = argv
        self._slowness = slowness
        self._process = self._terminal = -1
        self._shown = b""  # and not looked at so far

    def __enter__(self) -> Typist:
        self._process, self._terminal = os.forkpty()
        if self._process == 0:
            os.execvp(self._argv[0], self._argv)
        try:
            self._read_until(re.escape(PROMPT), 30.0)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the shell, and bury it: a container cannot end before.

        What enters the container is its parent there; killed itself it would leave the shell to us.
        """
        children = Path(f"/proc/{self._process}/task/{self._process}/children")
        with contextlib.suppress(OSError):
            for process in children.read_text().split() or [self._process]:
                os.kill(int(process), signal.SIGKILL)
        os.waitpid(self._process, 0)
        os.close(self._terminal)

    def type(
        self, line: str, *answers: tuple[str, str], timeout_s: float = 60.0, status: int = 0
    ) -> str:
        """Type a line; answer each question once it is asked; return what was shown.

        `answers`: pattern of the question, and what is typed then. Raises AssertionError where
        something else is asked, or the command ends in another way.
        """
        self._send(line)
        self._read_until(r"\n", timeout_s)  # its own echo
        shown = ""
        for question, answer in answers:
            shown += self._read_until(question, timeout_s)
            self._send(answer)
        shown += self._read_until(re.escape(PROMPT), timeout_s)
        self._send("echo ended=$?")
        ended = self._read_until(r"ended=\d+\s", 10.0)
        self._read_until(re.escape(PROMPT), 10.0)
        found = re.findall(r"ended=(\d+)", ended)
        assert int(found[-1]) == status, f"{line}: ended with {found[-1]}\n{shown}"
        return shown

    def _send(self, line: str) -> None:
        os.write(self._terminal, f"{line}\n".encode())

    def _read_until(self, pattern: str, timeout_s: float) -> str:
        """Return what is shown up to a pattern. Raises AssertionError where it never is."""
        deadline_s = time.monotonic() + timeout_s * self._slowness
        while True:
            text = COLOUR.sub("", self._shown.decode(errors="replace"))
            if found := re.search(pattern, text):
                self._shown = text[found.end() :].encode()
                return text[: found.end()].replace("\r\n", "\n")
            assert time.monotonic() < deadline_s, f"never shown: {pattern}\n{text}"
            if select.select([self._terminal], [], [], STEP_S)[0]:
                self._shown += os.read(self._terminal, 65536)
