"""What an exercise needs of this machine, and what is missing."""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path

from edge_runtime.clock import SystemClock
from edge_runtime.errors import Text
from edge_runtime.practice.brokers import has_embedded, mosquitto_program
from edge_runtime.practice.exercise import Exercise, Need

PACKAGES: dict[Need, tuple[tuple[str, ...], str]] = {
    "cryptography": (("cryptography",), "provision"),
    "office": (("cryptography", "aiohttp", "segno"), "office"),
}


def missing(exercise: Exercise) -> Text | None:
    """Return what this machine lacks for an exercise; None: nothing."""
    if mosquitto_program() is None:
        if "mosquitto" in exercise.needs:
            return Text("Mosquitto is not installed (`sudo apt-get install mosquitto`)")
        if not has_embedded():
            return Text(
                "no broker is installed: `sudo apt-get install mosquitto`, or "
                "`pip install -e '.[broker]'` in the checkout"
            )
    for need in exercise.needs:
        packages, extra = PACKAGES.get(need, ((), ""))
        if any(find_spec(package) is None for package in packages):
            return Text(
                "`pip install -e '.[{extra}]'` in the checkout brings what it needs", extra=extra
            )
    if "clock" in exercise.needs and not SystemClock().now().trusted:
        return Text("nothing has set this machine's clock: without it certificates have no dates")
    if "file-rights" in exercise.needs and not are_rights_kept():
        return Text("root may write anywhere: practise as another user")
    return None


def are_rights_kept() -> bool:
    """Say whether this user is kept out of a folder that may not be written."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o500)
        try:
            (folder / "tried").touch()
        except PermissionError:
            return True
        finally:
            folder.chmod(0o700)
    return False
