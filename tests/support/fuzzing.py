"""Files gone wrong in every way: random bytes, spoilt files, hostile tables as TOML."""

from __future__ import annotations

import copy
import json
import math
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

SECRET = "hunter2"
LONG = 5_000

HOSTILE_NUMBERS = (0, -1, 2**31, 2**63, 2**64, -(2**63), 10**400, 0.0, -0.0, 5e-324, 1e308, -1e308,
                   math.nan, math.inf, -math.inf)  # fmt: skip
HOSTILE_TEXTS = (
    "", " ", ".", "..", "../../x", "/etc/passwd", "~", "a/../../x", "a\\..\\x", "gate\n", "a\nb",
    "a\0b", "\x1b[31mred", "\x7f", "\x85", "\u2028", "\u202e", "\ufeff", "é" * 300, "a" * 300,
    "a" * LONG, "a/b", "a+b", "a#b", "+", "#", "$SYS", "%s%n", "{x}", "` - at `$.x`",
    "C:\\x", "-rf", "rtsp://[::1", "mqtts://h:99999", "https://h:x/", "nan", "cmd", "😀",
)  # fmt: skip

hostile = st.one_of(
    st.sampled_from(HOSTILE_TEXTS),
    st.sampled_from(HOSTILE_NUMBERS),
    st.booleans(),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.floats(),
    st.integers(),
    st.sampled_from(([], {}, [[]], [{}], [1, "a"], {"kind": "x"}, {"kind": 5}, {"": ""})),
).map(copy.deepcopy)  # what is drawn is changed further


def each_length(quick: int, long: int) -> pytest.MarkDecorator:
    """Give a test its `count` of examples: few in each run, many in the long one."""
    return pytest.mark.parametrize(
        "count", [quick, pytest.param(long, marks=[pytest.mark.long, pytest.mark.timeout(900)])]
    )


def toml_of(tables: dict[str, Any]) -> str:
    """Return tables as TOML, one line a key."""
    return "".join(f"{quoted(key)} = {value_of(value)}\n" for key, value in tables.items())


def value_of(value: Any) -> str:
    if isinstance(value, dict):
        inner = ", ".join(f"{quoted(key)} = {value_of(one)}" for key, one in value.items())
        return f"{{ {inner} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(value_of, value))}]"
    return quoted(value) if isinstance(value, str) else str(value).lower()


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def places(tables: Any) -> list[tuple[Any, Any]]:
    """Return all that can be changed: each table or array with a key or an index in it."""
    keys = list(tables) if isinstance(tables, dict) else range(len(tables))
    found = [(tables, key) for key in keys]
    for key in keys:
        if isinstance(tables[key], dict | list):
            found += places(tables[key])
    return found


@st.composite
def mutated(draw: st.DrawFn, tables: dict[str, Any]) -> dict[str, Any]:
    """Draw tables with a few things deleted, renamed, replaced or wrapped."""
    made = copy.deepcopy(tables)
    for _ in range(draw(st.integers(1, 3))):
        if not (known := places(made)):
            break
        holder, key = draw(st.sampled_from(known))
        change = draw(st.sampled_from(("delete", "rename", "wrap", *("replace",) * 4)))
        if change == "replace":
            holder[key] = draw(hostile)
        elif change == "wrap":
            holder[key] = draw(st.sampled_from(([holder[key]], {"a": holder[key]})))
        else:
            value = holder.pop(key)
            if change == "rename" and isinstance(holder, dict):
                holder[draw(st.sampled_from(HOSTILE_TEXTS))] = value
    return made


@st.composite
def spoilt(draw: st.DrawFn, good: bytes) -> bytes:
    """Draw a file with a few pieces of it replaced by bytes of any kind."""
    data = bytearray(good)
    for _ in range(draw(st.integers(1, 4))):
        at, size = draw(st.integers(0, len(data))), draw(st.integers(0, 8))
        data[at : at + size] = draw(st.binary(max_size=8))
    return bytes(data)


def check_said(error: Exception, names: Path | str) -> None:
    """Assert that an error is one line that names the file, fit for a terminal, not a secret."""
    text = str(error)
    assert str(names) in text
    assert text.splitlines() == [text]
    assert not any(unicodedata.category(one) in ("Cc", "Cs") for one in text), text
    assert SECRET not in text
    assert len(text) < 4 * LONG
