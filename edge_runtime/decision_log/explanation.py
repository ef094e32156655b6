"""What is asked, and one cause, as commands print it and programs read it."""

from __future__ import annotations

import msgspec

from edge_runtime.errors import Text


class Explanation(msgspec.Struct, frozen=True):
    """One cause, by a name that programs can rely on, and what is to be said of it.

    `nearness`: of a rule, how near it was to telling something, 0 to 1.
    """

    cause: str
    text: Text
    nearness: float = 0.0


class Question(msgspec.Struct, frozen=True):
    """What is asked: about which label (empty: any) and which rule (empty: any)."""

    label: str = ""
    rule: str = ""
