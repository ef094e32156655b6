"""Reads a TOML file into typed structs; what is wrong is said with its path and what is right."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from edge_runtime.errors import UNFIT, Text, UsageError, because, located
from edge_runtime.urls import without_urls

T = TypeVar("T")
MAX_FILE_BYTES = 1 << 20
NO_PATH = Text("expected a path in quotes, not empty")
NO_URL = Text("expected a path, not a URL")
MAX_TEXT = 4096  # <linux/limits.h> PATH_MAX


def read_toml(path: Path, error_type: type[UsageError]) -> dict[str, Any]:
    """Return a file's raw tables. Raises `error_type`, or FileNotFoundError."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise error_type(
                "{file}: larger than 1 MiB; it cannot be the file that is meant", file=path
            )
        return tomllib.loads(data.decode("utf-8-sig"))  # Windows editors put a BOM
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(path) from None
    except OSError as error:
        raise error_type(
            "{file}: cannot be read ({reason})", file=path, reason=because(error)
        ) from None
    except UnicodeDecodeError as error:
        raise error_type(
            "{file}: not UTF-8 text (byte {byte})", file=path, byte=error.start
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise error_type(
            "{file}: not valid TOML: {fault}", file=path, fault=without_urls(str(error))
        ) from None
    except RecursionError:
        raise error_type("{file}: not valid TOML: nested too deeply", file=path) from None
    except ValueError:  # the interpreter's own limit of 4,300 digits
        raise error_type(
            "{file}: not valid TOML: a number with too many digits", file=path
        ) from None


def typed(raw: dict[str, Any], wanted: type[T], path: Path, error_type: type[UsageError]) -> T:
    """Turn raw tables into a struct. Raises `error_type` with the path within the file."""
    if fault := text_fault(raw):
        raise error_type(located(path, fault))
    try:
        return msgspec.convert(raw, wanted, dec_hook=path_from)
    except msgspec.ValidationError as error:
        raise error_type(located(path, explain(str(error), wanted))) from None


def text_fault(raw: dict[str, Any]) -> Text | None:
    """Say which key or text could not be shown in a log, a topic or a path; None where all can."""
    left: list[tuple[str, Any]] = [("", raw)]
    while left:  # no recursion: dotted keys nest as deeply as they like
        where, value = left.pop()
        if isinstance(value, dict):
            if fault := next(filter(None, map(unfit, value)), None):
                place = where or Text("a key")
                return Text("{place}: a key {fault}", place=place, fault=fault)
            left += [(join(where, key), inner) for key, inner in value.items()]
        elif isinstance(value, list):
            left += [(f"{where}[{at}]", inner) for at, inner in enumerate(value)]
        elif isinstance(value, str) and (fault := unfit(value)):
            return located(where, fault)
    return None


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
    return Path(value)


def explain(text: str, wanted: type) -> Text:
    """Turn msgspec's message into `path: what is wrong`, the path as the file spells it."""
    message, _, where = text.partition(" - at `")
    where = where.rstrip("`").removeprefix("$").removeprefix(".")
    unknown = re.fullmatch(r"Object contains unknown field `(.+)`", message)
    missing = re.fullmatch(r"Object missing required field `(.+)`", message)
    if unknown:
        key = join(where, without_urls(unknown[1]))
        return Text("{key}: unknown key; remove it or correct its spelling", key=key)
    if missing:
        return Text("{key}: missing; add it", key=join(where, missing[1]))
    value = re.fullmatch(r"Invalid (?:enum )?value (['\"])(.+)\1", message)  # as repr() quotes
    if value and (known := choices(where, wanted)):
        return Text(
            "{key}: '{value}' is not known; one of {known}",
            key=where,
            value=without_urls(value[2]),
            known=", ".join(known),
        )
    if "matching regex" in message and (words := described(where, wanted)):
        return Text("{key}: expected {wanted}", key=where, wanted=words)
    message = without_urls(message)
    for foreign, ours in (("`", "'"), ("'object'", "'table'"), (" | null", "")):
        message = message.replace(foreign, ours)
    return mistyped(where, message[0].lower() + message[1:]) if where else Text(message)


def mistyped(key: str, message: str) -> Text:
    """Return msgspec's words on the value of a key."""
    wrong = re.fullmatch(r"expected (.+?)(?:, got (.+))?", message)
    if wrong is None:
        return located(key, Text(message))
    if wrong[2] is None:
        return Text("{key}: expected {wanted}", key=key, wanted=wrong[1])
    return Text("{key}: expected {wanted}, got {found}", key=key, wanted=wrong[1], found=wrong[2])


def join(where: str, key: str) -> str:
    """Return the path of a key within a table."""
    return f"{where}.{key}" if where else key


def choices(where: str, wanted: type) -> list[str]:
    """Return what may stand at a path: the values of a literal, the kinds of a table."""
    table, _, key = where.rpartition(".")
    tags = [str(one.tag) for one in structs(types_at(table, wanted)) if one.tag_field == key]
    return tags or [
        str(value)
        for one in plain(types_at(where, wanted))
        if isinstance(one, inspect.LiteralType)
        for value in one.values
    ]


def described(where: str, wanted: type) -> Text | None:
    """Return the words in which the type at a path says what its pattern means, if it has any."""
    for one in types_at(where, wanted):
        for inner in one.types if isinstance(one, inspect.UnionType) else (one,):
            if isinstance(inner, inspect.Metadata) and inner.extra_json_schema:
                return Text(str(inner.extra_json_schema["description"]))
    return None


def types_at(where: str, wanted: type) -> list[inspect.Type]:
    """Return the types that a value at a path may have."""
    found: list[inspect.Type] = [inspect.type_info(wanted)]
    for step in re.findall(r"[^.\[\]]+|\[\d+\]", where):
        found = items(found) if step.startswith("[") else fields(found, step)
    return found


def plain(types: list[inspect.Type]) -> list[inspect.Type]:
    """Return the types with unions and metadata opened."""
    out: list[inspect.Type] = []
    for one in types:
        if isinstance(one, inspect.Metadata):
            out += plain([one.type])
        elif isinstance(one, inspect.UnionType):
            out += plain(list(one.types))
        else:
            out.append(one)
    return out


def structs(types: list[inspect.Type]) -> list[inspect.StructType]:
    return [one for one in plain(types) if isinstance(one, inspect.StructType)]


def items(types: list[inspect.Type]) -> list[inspect.Type]:
    return [one.item_type for one in plain(types) if isinstance(one, inspect.VarTupleType)]


def fields(types: list[inspect.Type], name: str) -> list[inspect.Type]:
    return [f.type for one in structs(types) for f in one.fields if f.encode_name == name]
