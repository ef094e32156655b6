"""Runs on a board: a level sensor that sends a line ten times a second, as a port of its own."""

from __future__ import annotations

import os
import shutil
import sys
import time
import tty
from itertools import count
from pathlib import Path


def main(port: Path) -> None:
    """Serve lines on a pty under the name `port`, for the group of serial ports."""
    sensor, reader = os.openpty()
    tty.setraw(reader)
    shutil.chown(os.ttyname(reader), group="dialout")
    Path(os.ttyname(reader)).chmod(0o660)
    port.unlink(missing_ok=True)
    port.symlink_to(os.ttyname(reader))
    for number in count():
        os.write(sensor, f"{1.5 + number % 50 / 100:.2f}\r\n".encode())
        time.sleep(0.1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
