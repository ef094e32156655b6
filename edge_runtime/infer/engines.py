"""The inference engines: one module each, named in one table, imported only when asked for."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from edge_runtime.errors import BackendError, Text, located, row
from edge_runtime.infer.base import Backend, Engine, EngineMissingError, ModelRefusedError
from edge_runtime.infer.model_file import unfit_file
from edge_runtime.options import DelegateOptions

AUTO = "auto"

# Of `auto` the first that is installed and takes the file.
KINDS = {
    "litert": "edge_runtime.infer.litert:ENGINE",
    "tflite-runtime": "edge_runtime.infer.tflite_runtime:ENGINE",
    "canned": "edge_runtime.infer.canned:ENGINE",
}


def engine_named(name: str) -> Engine:
    """Return an engine of the table. Raises KeyError."""
    module, _, attribute = KINDS[name].partition(":")
    engine: Engine = getattr(import_module(module), attribute)
    return engine


def engines() -> Iterator[Engine]:
    """Yield all engines, in the order in which `auto` tries them."""
    return map(engine_named, KINDS)


def asked(name: str) -> Iterator[Engine]:
    """Yield the engine of a name, of `auto` all; imports them one by one."""
    return engines() if name == AUTO else iter((engine_named(name),))


def fitting(name: str, weights: Path) -> Iterator[Engine]:
    """Yield those asked for that take a file."""
    return (one for one in asked(name) if one.takes(weights))


def name_fault(name: str) -> Text | None:
    """Say what is wrong with the name of an engine; None where it is `auto` or in the table."""
    if name == AUTO or name in KINDS:
        return None
    return Text(
        "'{name}' is no inference engine; known are {known}, of which are installed here "
        "{installed}",
        name=name,
        known=", ".join((AUTO, *KINDS)),
        installed=", ".join(one.name for one in engines() if one.is_installed()),
    )


def file_fault(name: str, weights: Path) -> Text | None:
    """Say why an engine, or of `auto` all of them, takes no such file; None where one does."""
    if next(fitting(name, weights), None) is not None:
        return None
    if name == AUTO and (unfit := unfit_file(weights)) is not None:
        return unfit
    return Text(
        "the engine {engine} takes {suffixes}, not {file}",
        engine=name,
        suffixes=", ".join(suffix for one in asked(name) for suffix in one.suffixes),
        file=weights.name,
    )


def engine_for(weights: Path, name: str = AUTO) -> Engine:
    """Return the engine that runs a file: the one that is named, or the first that can.

    Raises ModelRefusedError where none takes the file, EngineMissingError where none that takes it
    is installed, BackendError where there is no engine of this name.
    """
    if (fault := name_fault(name)) is not None:
        raise BackendError(fault)
    if (fault := file_fault(name, weights)) is not None:
        raise ModelRefusedError(located(weights, fault))
    found = next((one for one in fitting(name, weights) if one.is_installed()), None)
    if found is None:
        raise missing(weights, list(fitting(name, weights)))
    return found


def missing(weights: Path, absent: list[Engine]) -> EngineMissingError:
    """Return the error for engines that would do, and are not installed."""
    return EngineMissingError(
        "{file}: no engine that runs it is installed ({names}); install one: {commands}",
        file=weights,
        names=", ".join(one.name for one in absent),
        commands=row([f"`{one.install}`" for one in absent], " / "),
    )


def preload_modules(name: str) -> tuple[str, ...]:
    """Return what a template process imports ahead for an engine, for `auto` the first installed.

    Empty where that is not known or not installed: whoever opens a model is told so.
    """
    if name_fault(name) is not None:
        return ()
    engine = next((one for one in asked(name) if one.is_installed()), None)
    if engine is None:
        return ()
    return (*engine.modules, KINDS[engine.name].partition(":")[0])


def open_backend(
    weights: Path,
    *,
    engine: str = AUTO,
    delegate: DelegateOptions | None = None,
    threads: int = 1,
) -> Backend:
    """Open a model on an engine of the table, on the delegate where one is given.

    Raises BackendError, and of it what `engine_for` and `Engine.load` name.
    """
    if not weights.is_file():
        raise BackendError(
            "{file}: no such file; `edge-runtime models pull` fetches weights", file=weights
        )
    return engine_for(weights, engine).load(weights, delegate=delegate, threads=threads)
