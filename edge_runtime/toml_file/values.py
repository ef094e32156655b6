"""Texts and paths in a file: which may be used, and which a person means otherwise."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from edge_runtime.errors import UNFIT, Text, because
from edge_runtime.toml_file.faults import Fault
from edge_runtime.toml_file.lines import joined

NO_PATH = Text("expected a path in quotes, not empty")
NO_URL = Text("expected a path, not a URL")
NO_DRIVE = Text("a path of Windows; write the path on this board, such as /home/pi/clip.mp4")
MAX_TEXT = 4096  # <linux/limits.h> PATH_MAX


def text_faults(raw: dict[str, Any]) -> Iterator[Fault]:
    """Yield which keys and texts could not be shown in a log, a topic or a path."""
    left: list[tuple[str, Any]] = [("", raw)]
    while left:  # no recursion: dotted keys nest as deeply as they like
        where, value = left.pop(0)
        if isinstance(value, dict):
            if fault := next(filter(None, map(unfit, value)), None):
                yield Fault(where, Text("a key {fault}", fault=fault))
            left += [(joined(where, key), inner) for key, inner in value.items() if not unfit(key)]
        elif isinstance(value, list):
            left += [(f"{where}[{at}]", inner) for at, inner in enumerate(value)]
        elif isinstance(value, str) and (fault := unfit(value)):
            yield Fault(where, fault)


def unfit(text: str) -> Text | None:
    """Say why a text is not fit to be used; a tab is: it separates columns."""
    if len(text) > MAX_TEXT:
        return Text("longer than {most} characters; shorten it", most=MAX_TEXT)
    found = UNFIT.search(text.replace("\t", " "))
    if found is None:
        return None
    return Text("holds the control character {character}; remove it", character=repr(found[0]))


def path_fault(path: Path, look: Callable[[Path], bool], otherwise: Text) -> Text | None:
    """Say what is wrong with a path, `otherwise` where `look` finds nothing; else None."""
    try:
        return None if look(path) else Text("{fault}; correct the path", fault=otherwise)
    except OSError as error:  # a name that is too long, a folder that may not be entered
        return Text(
            "cannot be looked at ({reason}); correct the path or its permissions",
            reason=because(error),
        )


def path_from(wanted: type, value: Any) -> Path:
    """Make a path of a TOML string: the one type that msgspec leaves to us."""
    if wanted is not Path or not isinstance(value, str) or not value:
        raise ValueError(NO_PATH)
    if "://" in value:  # it may hold a login, and a path is repeated wherever it is wrong
        raise ValueError(NO_URL)
    if value == "~" or value.startswith("~/"):  # a shell's; a service has no home of yours
        raise ValueError(
            Text(
                "'~' means nothing here; write the whole path, such as /home/NAME/{rest}",
                rest=value[2:],
            )
        )
    if re.match(r"[A-Za-z]:[\\/]|\\\\", value):
        raise ValueError(NO_DRIVE)
    return Path(value)
