"""The reference page of `pack.toml` says what the manifest's types say: keys, defaults, choices."""

from __future__ import annotations

import re
import tomllib
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
import pytest

from edge_runtime import manifest
from edge_runtime.manifest import Manifest
from edge_runtime.options import Kind, Section
from edge_runtime.packs.manifest_file import read_manifest
from support.pack_files import make_pack
from support.paths import ROOT

PAGE = (ROOT / "models" / "README.md").read_text()
SECTIONS = [
    thing
    for thing in vars(manifest).values()
    if isinstance(thing, type)
    and issubclass(thing, Section)
    and thing.__module__ == manifest.__name__
    and thing is not Manifest
]
EXAMPLES = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


def heading(section: type[Section]) -> str:
    """Return what stands before a table's rows on the page."""
    if issubclass(section, Kind):
        return f'`kind = "{section.__struct_config__.tag}"`'
    keys = [
        key for key, hint in get_type_hints(Manifest).items() if section in (hint, *get_args(hint))
    ]
    return f"### `[{keys[0]}]`"


def rows(section: type[Section]) -> dict[str, list[str]]:
    """Return the cells of a table's rows by key."""
    table = PAGE.partition(f"\n{heading(section)}")[2].partition("|---|---|---|---|\n")[2]
    cells = [line.split(" | ") for line in table.partition("\n\n")[0].splitlines()]
    return {row[0].strip("| `"): row for row in cells}


def written(default: Any) -> str:
    """Return a default as the page writes it."""
    if default is msgspec.NODEFAULT:
        return "needed"
    if default in (None, "", ()):
        return "none"
    return f"`{default:g}`" if isinstance(default, int | float) else f"`{default}`"


def choices(hint: Any) -> set[str]:
    """Return the words that a type allows."""
    if get_origin(hint) is Literal:
        return {f"`{word}`" for word in get_args(hint) if isinstance(word, str)}
    return set().union(*(choices(inner) for inner in get_args(hint)))


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_each_key_is_on_the_page_with_its_default_and_its_choices(section: type[Section]) -> None:
    found = rows(section)
    fields = msgspec.structs.fields(section)
    assert list(found) == [field.encode_name for field in fields]
    for field in fields:
        _key, kind, default, what = found[field.encode_name]
        assert default == written(field.default), field.name
        assert choices(field.type) <= set(re.findall(r"`[^`]+`", kind)), field.name
        assert len(what) > 5


def test_each_decoder_is_on_the_page() -> None:
    decoders = choices(get_type_hints(manifest.OutputSection)["decoder"])
    assert all(f"\n| {name} |" in PAGE for name in decoders)


@pytest.mark.parametrize(("number", "task"), [(0, "detection"), (1, "anomaly")])
def test_each_example_is_a_manifest(number: int, task: str, tmp_path: Any) -> None:
    folder = make_pack(tmp_path)
    (folder / "pack.toml").write_text(EXAMPLES[number])
    assert read_manifest(folder).pack.task == task
    assert len(EXAMPLES) == 2
    assert tomllib.loads(EXAMPLES[number])["model"]["sha256"] == "0" * 64
