"""`edge-runtime check`: everything that can be validated without hardware."""

from __future__ import annotations

from pathlib import Path

import click

from edge_runtime.cli.localized import LocalizedCommand, lang_option
from edge_runtime.cli.paths import state_dir_option
from edge_runtime.cli.printable import say
from edge_runtime.errors import Text, located
from edge_runtime.language import N_, Code, Language, choose
from edge_runtime.manifest import Pack
from edge_runtime.options import Config
from edge_runtime.stream.words import describe_stream
from edge_runtime.urls import shown_url

ENGLISH = Language("en")


@click.command(
    cls=LocalizedCommand,
    help=N_(
        "Check a configuration and its packs, and print what would run.\n"
        "\n"
        "All that is wrong is said at once, each fault with its line, its place and what to type. "
        "Exit status: 0 it is good; 2 something is wrong."
    ),
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    required=True,
    help=N_("The file to check."),
)
@state_dir_option
@lang_option
def check(config_file: Path, state_dir: Path, lang: Code | None) -> None:
    """Check a configuration and its packs, and print what would run."""
    from edge_runtime.clock import SystemClock
    from edge_runtime.packs.catalogue import bundled_models
    from edge_runtime.packs.store import PackStore
    from edge_runtime.stream.build import load_checked, worker_count

    language = choose(lang)
    store = PackStore(state_dir, bundled_models())
    config, packs = load_checked(config_file, store, SystemClock())
    said = try_models(config_file, config, packs)
    describe(config, packs, worker_count(config), language)
    for line in engine_lines(config, packs):
        say(f"engine   {line}")
    describe_baselines(config, packs, state_dir, language)
    for measured in said.measured:
        say(language.text("measured {text}", text=measured))
    overrules = overruled(config, packs)
    for note in (*open_link(config), *source_warnings(config), *overrules, *said.notes):
        say(language.text("note: {text}", text=note))
    for line in said.unchecked:
        say(language.text("not checked here: {text}", text=line))
    if said.unchecked:
        count = len(said.unchecked)
        say(
            language.text(
                "{file}: good, but for {count} not checked here", file=config_file, count=count
            )
        )
    else:
        say(language.text("{file}: good", file=config_file))


class ModelsTried:
    """What the trials of a configuration's models said."""

    def __init__(self) -> None:
        self.measured: list[Text] = []  # of accelerators
        self.unchecked: list[Text] = []
        self.notes: list[Text] = []


def try_models(config_file: Path, config: Config, packs: dict[str, Pack]) -> ModelsTried:
    """Try each model where it is to run: what accelerators took, and which are not here.

    Raises UsageError where a pack is wrong, or an accelerator that is here does not do its work.
    """
    from edge_runtime.errors import BackendError, ConfigError
    from edge_runtime.infer.base import AcceleratorMissingError
    from edge_runtime.model.trial import TrialResult, try_pack

    said = ModelsTried()
    passed: dict[tuple[Path, str], TrialResult] = {}  # several streams may use one pack
    for index, stream in enumerate(config.streams):
        pack = packs.get(stream.name)
        if pack is None:
            continue
        delegate = stream.model_use.accelerator
        at = f"streams[{index}].model.delegate"
        key = pack.folder, repr(delegate)
        try:
            if key not in passed:
                passed[key] = try_pack(pack, forced=config.inference.engine, delegate=delegate)
        except AcceleratorMissingError as error:
            # It is hardware: the board may have it, or get it later.
            said.unchecked.append(located(at, error))
        except BackendError as error:
            if delegate is None:
                raise
            raise ConfigError(located(config_file, at, error)) from None
        else:
            tried = passed[key]
            if tried.placement is not None:
                said.measured.append(located(stream.name, tried.placement.describe()))
            notes = [located(pack.manifest.pack.name, note) for note in tried.notes]
            said.notes += [note for note in notes if note not in said.notes]  # once a pack
    return said


def describe(
    config: Config, packs: dict[str, Pack], workers: int, language: Language = ENGLISH
) -> None:
    """Print what would run."""
    device = f"{config.device.site}/{config.device.level}"
    say(language.text("device   {device}, {count} workers", device=device, count=workers))
    say(f"broker   {shown_url(config.broker.url)}")
    say(
        language.text(
            "outbox   {size:g} MB, commits every {seconds:g} s",
            size=config.outbox.max_mb,
            seconds=config.outbox.commit_interval_s,
        )
    )
    for stream in config.streams:
        say(f"stream   {stream.name}: {describe_stream(stream, packs.get(stream.name))}")


def engine_lines(config: Config, packs: dict[str, Pack]) -> list[str]:
    """Return which inference engine runs the packs; which of them, where there are several."""
    from edge_runtime.model.engine_choice import engine_of

    by_engine: dict[str, list[str]] = {}
    for pack in {str(pack.folder): pack for pack in packs.values()}.values():
        title = engine_of(pack, config.inference.engine).title
        by_engine.setdefault(title, []).append(pack.manifest.pack.name)
    if len(by_engine) == 1:
        return list(by_engine)
    return [f"{title}: {', '.join(names)}" for title, names in by_engine.items()]


def overruled(config: Config, packs: dict[str, Pack]) -> list[Text]:
    """Return notes on packs that name an engine, where the device forces another one."""
    forced = config.inference.engine
    named = {pack.manifest.pack.name: pack.manifest.model.engine for pack in packs.values()}
    return [
        Text(
            "{pack}: names the engine {engine}; inference.engine {forced} overrules that",
            pack=name,
            engine=engine,
            forced=forced,
        )
        for name, engine in named.items()
        if "auto" not in (forced, engine) and engine != forced
    ]


def describe_baselines(
    config: Config, packs: dict[str, Pack], state_dir: Path, language: Language
) -> None:
    """Print of which streams the limits were learnt on site, or why that does not hold."""
    from edge_runtime.records import NO_MODEL
    from edge_runtime.stream.baseline import Baselines, effective_rules

    baselines = Baselines(state_dir)
    for stream in config.streams:
        model = packs[stream.name].ref if stream.name in packs else NO_MODEL
        if summary := effective_rules(stream, model, baselines).summary:
            say(f"baseline {stream.name}: {language.translated(summary)}")


def open_link(config: Config) -> list[Text]:
    """Return a note on a link that others can read and write."""
    from edge_runtime.doctor.network import open_link_doubt

    doubt = open_link_doubt(config.broker)
    return [located("broker.url", doubt)] if doubt is not None else []


def source_warnings(config: Config) -> list[Text]:
    """Return a note on each key of a source that may be meant in another way than it is read."""
    return [
        located(f"streams[{index}].source.{key}", warning)
        for index, stream in enumerate(config.streams)
        for key, warning in stream.source.warnings()
    ] + [
        located(
            key,
            Text(
                "a password stands in the file; to keep it beside the file set it with {command}, "
                "and write {placeholder} in its place",
                command="`edge-runtime secret set NAME`",
                placeholder="{secret:NAME}",
            ),
        )
        for key in config.inline_secrets
    ]
