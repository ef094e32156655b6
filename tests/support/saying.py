"""What a technician is told: an error in Vietnamese, and whether any of it stayed English."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from edge_runtime.errors import EdgeError, Heard, Text
from edge_runtime.language import Language

VI, EN = Language("vi"), Language("en")


def untold(value: Any) -> list[str]:
    """Return the English in what a technician is told: the templates without a translation."""
    if isinstance(value, EdgeError):
        return untold(value.text)
    if isinstance(value, Heard):
        return [str(value)] if VI.retold(value) == value else []
    if not isinstance(value, Text):
        return []
    words = any(map(str.isalpha, re.sub("{.*?}", "", value.template)))
    own = [value.template] if words and VI.text(value.template) == value.template else []
    return [*own, *(text for inner in value.values.values() for text in untold(inner))]


def raised(kind: type[EdgeError], do: Callable[[], object]) -> EdgeError:
    with pytest.raises(kind) as caught:
        do()
    return caught.value


def in_vietnamese(error: EdgeError) -> str:
    """Return an error in Vietnamese, all of it; in English it reads as in the log."""
    assert untold(error) == []
    assert error.said(EN) == str(error)
    said = error.said(VI)
    assert said != str(error)
    # The daemon and the office tell it as English text: from that, it is said the same way.
    assert VI.retold(str(error)) == said
    return said
