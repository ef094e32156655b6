"""Raw tables into structs: every field is looked at, whatever is wrong with the others."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import msgspec

from edge_runtime.errors import Text, UsageError
from edge_runtime.toml_file.faults import Fault, refuse
from edge_runtime.toml_file.lines import joined
from edge_runtime.toml_file.near import suggestion
from edge_runtime.toml_file.values import path_from, text_faults

T = TypeVar("T")


def typed(
    raw: dict[str, Any],
    wanted: type[T],
    path: Path,
    error_type: type[UsageError],
    *,
    long_texts: bool = False,
) -> T:
    """Turn raw tables into a struct. Raises `error_type` with all that is wrong, and where.

    `long_texts`: texts may have several lines; none of them comes into a log, a topic or a path.
    """
    if faults := value_faults(raw, wanted, long_texts=long_texts):
        refuse(faults, raw, path, error_type)
    return msgspec.convert(raw, wanted, dec_hook=path_from)


def part(raw: Any, wanted: Any) -> Any:
    """Turn a value in which nothing is wrong into what is wanted."""
    return msgspec.convert(raw, wanted, dec_hook=path_from)


def value_faults(raw: dict[str, Any], wanted: type, *, long_texts: bool = False) -> list[Fault]:
    """Return all that is wrong with raw tables that are to become a struct."""
    faults = [] if long_texts else list(text_faults(raw))
    try:
        msgspec.convert(raw, wanted, dec_hook=path_from)
    except msgspec.ValidationError as error:
        found = list(faults_at(raw, wanted, ""))
        # Whatever msgspec refuses is told, should the walk pass it.
        faults += found or faults or [Fault("", Text(str(error).partition(" - at `")[0]))]
    return faults


def faults_at(value: Any, wanted: Any, where: str) -> Iterator[Fault]:
    """Yield what is wrong with a value of a type, and with whatever lies in it."""
    kinds = list(opened(wanted))
    tables = [one for one in kinds if isinstance(one, type) and issubclass(one, msgspec.Struct)]
    mappings = [one for one in kinds if get_origin(one) is dict]
    lists = [one for one in kinds if get_origin(one) is tuple]
    found: Iterator[Fault] = iter(())
    if isinstance(value, dict) and tables:
        found = table_faults(value, tables, where)
    elif isinstance(value, dict) and mappings:
        inner = get_args(mappings[0])[1]
        found = (
            fault
            for key, one in value.items()
            for fault in faults_at(one, inner, joined(where, key))
        )
    elif isinstance(value, list) and lists:
        found = item_faults(value, get_args(lists[0]), where)
    known = list(found)
    yield from known
    if not known:
        yield from own_faults(value, wanted, where)


def own_faults(value: Any, wanted: Any, where: str) -> Iterator[Fault]:
    """Yield what is wrong with a value as a whole, where nothing in it is."""
    try:
        msgspec.convert(value, wanted, dec_hook=path_from)
    except msgspec.ValidationError as error:
        from edge_runtime.toml_file.wording import mistake  # for a mistake alone

        yield Fault(where, mistake(value, wanted, where, error))


def table_faults(value: dict[str, Any], tables: list[Any], where: str) -> Iterator[Fault]:
    """Yield what is wrong in a table: its kind, or its keys."""
    from edge_runtime.toml_file.wording import MISSING, unknown_key, unknown_word, which

    tag = tables[0].__struct_config__.tag_field
    by_tag = {str(one.__struct_config__.tag): one for one in tables}
    if tag is None or (len(tables) == 1 and tag not in value):
        struct = tables[0]
    elif tag not in value:
        yield Fault(joined(where, tag), which(by_tag))
        return
    elif not isinstance(value[tag], str) or value[tag] not in by_tag:
        yield Fault(joined(where, tag), unknown_word(value[tag], by_tag))
        return
    else:
        struct = by_tag[value[tag]]
    fields = fields_of(struct)
    meant: set[str | None] = set()
    for key, inner in value.items():
        if key in fields:
            yield from faults_at(inner, fields[key].type, joined(where, key))
        elif key != tag:
            near = suggestion(key, (name for name in fields if name not in value))
            meant.add(near)
            yield unknown_key(key, where, near, list(fields), tables)
            if near is not None:
                yield from faults_at(inner, fields[near].type, joined(where, key))
    for name, field in fields.items():
        if field.required and name not in value and name not in meant:
            yield Fault(joined(where, name), MISSING)


def is_one_of(value: list[Any], wanted: Any) -> bool:
    """Say whether a list is what should be one of its items: a polygon, where a list of them is."""
    if not value or not any(get_origin(one) is tuple for one in opened(wanted)):
        return False
    try:
        msgspec.convert(value, wanted, dec_hook=path_from)
    except msgspec.ValidationError:
        return False
    return True


def too_few_brackets(value: Any, key: str) -> Text:
    """Say that a list of lists needs one more pair round it."""
    depth = 1
    while isinstance(value, list):
        depth, value = depth + 1, value[0]
    example = "[" * depth + " … " + "]" * depth
    return Text("one more pair of brackets is wanted: {key} = {example}", key=key, example=example)


@cache
def fields_of(struct: Any) -> dict[str, msgspec.structs.FieldInfo]:
    """Return a struct's fields by their keys; msgspec evaluates its annotations each time."""
    return {one.encode_name: one for one in msgspec.structs.fields(struct)}


def item_faults(value: list[Any], types: tuple[Any, ...], where: str) -> Iterator[Fault]:
    """Yield what is wrong with the items of a list."""
    if len(types) == 2 and types[1] is Ellipsis:
        if is_one_of(value, types[0]):
            yield Fault(where, too_few_brackets(value, where.rpartition(".")[2]))
            return
        types = types[:1] * len(value)
    if len(types) == len(value):
        for at, (one, wanted) in enumerate(zip(value, types, strict=True)):
            yield from faults_at(one, wanted, f"{where}[{at}]")


def opened(wanted: Any) -> Iterator[Any]:
    """Yield the types that a value may have, unions and metadata opened."""
    origin = get_origin(wanted)
    if origin is Annotated:
        yield from opened(get_args(wanted)[0])
    elif origin in (Union, UnionType):
        for one in get_args(wanted):
            yield from opened(one)
    else:
        yield wanted


def bounds_of(wanted: Any) -> Iterator[tuple[Any, msgspec.Meta]]:
    """Yield each type that has bounds, and these."""
    origin = get_origin(wanted)
    if origin is Annotated:
        inner, *metadata = get_args(wanted)
        yield from ((inner, one) for one in metadata if isinstance(one, msgspec.Meta))
    elif origin in (Union, UnionType):
        for one in get_args(wanted):
            yield from bounds_of(one)
