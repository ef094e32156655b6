"""What a technician reads: an error in Vietnamese, and whether any of it stayed English."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from edge_runtime.errors import EdgeError, RawText, Text
from edge_runtime.language import Language
from edge_runtime.text_form import decode_text, encode_text

VI, EN = Language("vi"), Language("en")


def untranslated(value: Any) -> list[str]:
    """Return the English in what a technician reads: the templates without a translation."""
    if isinstance(value, EdgeError):
        return untranslated(value.text)
    if isinstance(value, RawText) or not isinstance(value, Text):
        return []
    words = any(map(str.isalpha, re.sub("{.*?}", "", value.template)))
    own = [value.template] if words and VI.text(value.template) == value.template else []
    return [*own, *(text for inner in value.values.values() for text in untranslated(inner))]


def sent(text: Text) -> Text:
    """Return a text as another process gets it."""
    line = msgspec.json.encode(text, enc_hook=encode_text)
    received: Text = msgspec.json.decode(line, type=Text, dec_hook=decode_text)
    return received


def raised(kind: type[EdgeError], do: Callable[[], object]) -> EdgeError:
    with pytest.raises(kind) as caught:
        do()
    return caught.value


def in_vietnamese(error: EdgeError) -> str:
    """Return an error in Vietnamese, all of it; in English it reads as in the log."""
    assert untranslated(error) == []
    assert error.localized(EN) == str(error)
    vietnamese = error.localized(VI)
    assert vietnamese != str(error)
    # Another process reads it the same way, in either language.
    assert sent(error.text) == str(error)
    assert sent(error.text).localized(VI) == vietnamese
    return vietnamese
