"""What a value should have been, in the words of those who type it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec

from edge_runtime.errors import Text
from edge_runtime.language import N_
from edge_runtime.toml_file.faults import Fault
from edge_runtime.toml_file.lines import joined
from edge_runtime.toml_file.near import suggestion
from edge_runtime.toml_file.typing import bounds_of, fields_of, opened
from edge_runtime.urls import without_urls

MISSING = Text("missing; add it")
NUMBER_IN_TEXT = re.compile(r"\s*([+-]?\d+(?:[.,]\d+)?)\s*(\S.*)?")
MAX_SHOWN = 128


def shown(value: Any) -> str:
    """Return a value of the file as it may be repeated."""
    text = str(value)
    if len(text) <= MAX_SHOWN:
        return without_urls(text)
    # A URL that is cut shows its login as a host.
    return "…" if "://" in text else text[:MAX_SHOWN] + "…"


def which(known: Iterable[str]) -> Text:
    """Say that a table does not say its kind."""
    return Text("missing; add it: one of {known}", known=", ".join(known))


def unknown_word(value: Any, known: Iterable[str]) -> Text:
    """Say that a word is none of those that there are, and which is meant most likely."""
    words = list(known)
    every = ", ".join(words)
    if not isinstance(value, str):
        return Text("expected one of {known}, in quotes", known=every)
    near = suggestion(value, words)
    if near is None or len(words) == 1:
        return Text("'{value}' is not known; one of {known}", value=shown(value), known=every)
    return Text(
        "'{value}' is not known; did you mean '{near}'? One of {known}",
        value=shown(value),
        near=near,
        known=every,
    )


def unknown_key(
    key: str, where: str, near: str | None, known: list[str], kinds: list[Any]
) -> Fault:
    """Say that a key is none of a table's, and which is meant (`near`), or which kind has it."""
    at = joined(where, shown(key))
    if near is not None:
        return Fault(at, Text("unknown key; did you mean '{near}'?", near=near))
    others = [str(one.__struct_config__.tag) for one in kinds if key in fields_of(one)]
    if others:
        text = Text("unknown key here; it belongs to kind = {kinds}", kinds=" / ".join(others))
        return Fault(at, text)
    every = ", ".join(known)
    return Fault(at, Text("unknown key; remove it; there are {known}", known=every))


def mistake(value: Any, wanted: Any, where: str, error: msgspec.ValidationError) -> Text:
    """Say what is wrong with a value as a whole, and what to type."""
    if isinstance(error.__cause__, ValueError) and error.__cause__.args:
        said = error.__cause__.args[0]  # of our own types: a path, or keys that do not go together
        return said if isinstance(said, Text) else Text(str(said))
    kinds = [one for one in opened(wanted) if one is not type(None)]
    for words in (of_table, of_list, of_choice, of_flag, of_number, of_text):
        if (text := words(value, wanted, kinds, where)) is not None:
            return text
    return Text("expected another kind of value; see the example in systemd/edge-runtime.toml")


def of_table(value: Any, wanted: Any, kinds: list[Any], where: str) -> Text | None:  # noqa: ARG001
    """Speak of what should be a table."""
    tables = [one for one in kinds if isinstance(one, type) and issubclass(one, msgspec.Struct)]
    if not tables and not any(get_origin(one) is dict for one in kinds):
        return None
    key = where.rpartition(".")[2]
    if isinstance(value, list):
        return Text("one table is wanted; write [{key}], or {{ … }} without [ ]", key=key)
    tags = [str(one.__struct_config__.tag) for one in tables if one.__struct_config__.tag_field]
    if tags:
        near = suggestion(value, tags) if isinstance(value, str) else None
        example = f'{{ kind = "{near or tags[0]}" }}'
        return Text("a table is wanted: {key} = {example}", key=key, example=example)
    first = next(iter(fields_of(tables[0]))) if tables else "NAME"
    return Text("a table is wanted: {key} = {example}", key=key, example=f"{{ {first} = … }}")


def of_list(value: Any, wanted: Any, kinds: list[Any], where: str) -> Text | None:
    """Speak of what should be a list."""
    lists = [one for one in kinds if get_origin(one) is tuple]
    if not lists or (len(kinds) > len(lists) and not isinstance(value, list)):
        return None
    types = get_args(lists[0])
    key = where.rpartition(".")[2]
    is_open = len(types) == 2 and types[1] is Ellipsis
    items = list(opened(types[0]))
    if isinstance(value, dict):
        return Text(
            "each begins with [[{header}]], in two brackets; in one line {key} = [{{ … }}]",
            header=re.sub(r"\[\d+\]", "", where),
            key=key,
        )
    if not isinstance(value, list):
        example = f'["{shown(value)}"]' if isinstance(value, str) else f"[{shown(value)}]"
        if any(isinstance(one, type) and issubclass(one, msgspec.Struct) for one in items):
            example = "[{ … }]"
        return Text("a list is wanted: {key} = {example}", key=key, example=example)
    if not is_open:
        return list_of(len(types), len(value))
    return list_length(value, wanted)


def list_of(wanted: int, found: int) -> Text:
    """Say that a list has a fixed number of numbers."""
    if wanted == 2:
        return Text(
            "{found} numbers; two are wanted, such as [0.5, 0.4] (a decimal has a point, not a "
            "comma)",
            found=found,
        )
    return Text("{found} values; {wanted} are wanted", found=found, wanted=wanted)


def list_length(value: list[Any], wanted: Any) -> Text | None:
    """Say that a list is too short or too long."""
    for _, meta in bounds_of(wanted):
        if meta.min_length is not None and len(value) < meta.min_length:
            return Text(
                "{found} values; at least {least} are wanted",
                found=len(value),
                least=meta.min_length,
            )
        if meta.max_length is not None and len(value) > meta.max_length:
            return Text(
                "{found} values; at most {most} are wanted", found=len(value), most=meta.max_length
            )
    return None


def of_choice(value: Any, wanted: Any, kinds: list[Any], where: str) -> Text | None:  # noqa: ARG001
    """Speak of a value out of few."""
    known = [one for kind in kinds if get_origin(kind) is Literal for one in get_args(kind)]
    if not known:
        return None
    if all(isinstance(one, str) for one in known):
        return unknown_word(value, known)
    return Text("expected one of {known}, without quotes", known=", ".join(map(str, known)))


def of_flag(value: Any, wanted: Any, kinds: list[Any], where: str) -> Text | None:  # noqa: ARG001
    """Speak of what is true or false."""
    return Text("expected true or false, without quotes") if bool in kinds else None


def of_number(value: Any, wanted: Any, kinds: list[Any], where: str) -> Text | None:  # noqa: ARG001
    """Speak of a number: written as a text, with a unit, or out of its bounds."""
    if not (int in kinds or float in kinds) or (str in kinds and isinstance(value, str)):
        return None
    if isinstance(value, str) and (found := NUMBER_IN_TEXT.fullmatch(value)) is not None:
        number = found[1].replace(",", ".").lstrip("+")
        if found[2] is None:
            return Text("a number stands without quotes: {number}", number=number)
        return Text("a number stands without quotes and unit: {number}", number=number)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not is_finite(value):
        return Text("expected a number, such as {example}", example=example_of(wanted, kinds))
    if float not in kinds and isinstance(value, float):
        return Text("expected a whole number, such as {number}", number=round(value))
    return bounded(value, wanted)


def is_finite(value: float) -> bool:
    """Say whether a number is one that a float can hold; TOML's whole numbers have no end here."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def bounded(value: float, wanted: Any) -> Text | None:
    """Say between which bounds a number lies."""
    for inner, meta in bounds_of(wanted):
        if inner not in (int, float):
            continue
        low = meta.ge if meta.ge is not None else meta.gt
        least, most = plainly(low, inner), plainly(meta.le, inner)
        if (low, meta.le) == (0.0, 1.0):
            example = value / 100 if 10 <= value <= 100 else 0.5
            return Text(
                "{value:g} is out of bounds; from {low} to {high}, such as {example:g}",
                value=value,
                low=least,
                high=most,
                example=example,
            )
        template = (
            N_("{value:g} is out of bounds; at least {low}")
            if meta.le is None
            else N_("{value:g} is out of bounds; from {low} to {high}")
            if meta.gt is None
            else N_("{value:g} is out of bounds; more than {low}, at most {high}")
        )
        return Text(template, value=value, low=least, high=most)
    return None


def plainly(bound: float | None, kind: Any) -> str:
    """Return a bound as one types it; none is empty."""
    if bound is None:
        return ""
    is_whole = kind is int or (bound >= 10 and bound == int(bound))
    return str(int(bound)) if is_whole else f"{bound}"


def example_of(wanted: Any, kinds: list[Any]) -> str:
    """Return a number that would do."""
    for inner, meta in bounds_of(wanted):
        if inner in (int, float):
            low = meta.ge if meta.ge is not None else (meta.gt or 0)
            if meta.le == 1.0 and inner is float:
                return "0.5"
            return str(max(int(low), 1) if inner is int else max(float(low), 1.0))
    return "1" if float not in kinds else "1.5"


def of_text(value: Any, wanted: Any, kinds: list[Any], where: str) -> Text | None:  # noqa: ARG001
    """Speak of a text: of what characters, or that it needs quotes."""
    if str not in kinds and Path not in kinds:
        return None
    if not isinstance(value, str):
        if isinstance(value, bool | int | float | date | time | datetime):
            word = str(value).lower() if isinstance(value, bool) else shown(value)
            return Text("text needs quotes around it: {text}", text=f'"{word}"')
        return Text("expected a text in quotes")
    return next(described(value, wanted), None) or length_of_text(value, wanted)


def length_of_text(value: str, wanted: Any) -> Text | None:
    """Say that a text is empty or too long."""
    for _, meta in bounds_of(wanted):
        if meta.min_length and not value:
            return Text("empty; give it, in quotes")
        if meta.max_length and len(value) > meta.max_length:
            return Text("longer than {most} characters; shorten it", most=meta.max_length)
    return None


def described(value: str, wanted: Any) -> Iterator[Text]:
    """Yield what a pattern means, and the nearest text that it takes."""
    for _, meta in bounds_of(wanted):
        if meta.pattern is None or re.search(meta.pattern, value) or not meta.description:
            continue
        words = Text(meta.description)
        mend = (meta.extra or {}).get("mend")
        near = mend(value) if mend is not None else ""
        if near and re.search(meta.pattern, near):
            yield Text('expected {wanted}, such as "{near}"', wanted=words, near=near)
        else:
            yield Text("expected {wanted}", wanted=words)
