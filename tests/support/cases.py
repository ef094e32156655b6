"""What a configuration of `tests/cases/config` is answered with, in both languages."""

from __future__ import annotations

from pathlib import Path

from edge_runtime.cli.check import open_link, source_warnings
from edge_runtime.cli.errors import faults_of
from edge_runtime.clock import SystemClock
from edge_runtime.errors import Text, UsageError
from edge_runtime.language import Language
from edge_runtime.packs.catalogue import bundled_models
from edge_runtime.packs.store import PackStore
from edge_runtime.stream.build import load_checked
from support.paths import ROOT

CONFIGURATIONS = ROOT / "tests" / "cases" / "config"
LANGUAGES = (Language("en"), Language("vi"))


def answer(file: Path, state_dir: Path) -> str:
    """Return what `check` says of a file, first in English, then in Vietnamese.

    Without the file's own path, and without what would run.
    """
    excerpt: tuple[str, ...] = ()
    try:
        config, _ = load_checked(file, PackStore(state_dir, bundled_models()), SystemClock())
    except UsageError as error:
        said: tuple[Text, ...] = faults_of(error)
        excerpt = error.excerpt
    else:
        notes = (*open_link(config), *source_warnings(config))
        said = (
            *(Text("note: {text}", text=note) for note in notes),
            Text("{file}: good", file=file),
        )
    blocks = []
    for language in LANGUAGES:
        lines = [one.localized(language).removeprefix(f"{file}: ") for one in said]
        blocks.append("\n".join(line.replace(str(file.parent), "FOLDER") for line in lines))
    return "\n".join([*excerpt, *blocks]) + "\n"
