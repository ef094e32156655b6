"""Accelerators of TensorFlow Lite: an external delegate's library, and what it took of a model."""

from __future__ import annotations

import ctypes
import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from edge_runtime.errors import BackendError
from edge_runtime.infer.base import AcceleratorMissingError
from edge_runtime.infer.placement import DelegatePlacement, check_share, is_compiled, measure
from edge_runtime.options import DelegateOptions


def measured_placement(
    interpreter: Any, delegate: DelegateOptions, engine: str
) -> DelegatePlacement:
    """Return what a delegate has taken. Raises BackendError where that is too little."""
    try:
        placement = measure(interpreter, delegate)
    except (AttributeError, KeyError) as error:
        raise BackendError(
            "delegate {library}: {engine} cannot tell what it took of the model ({why}); use "
            "another version of the engine",
            library=delegate.library,
            engine=engine,
            why=reason_of(error),
        ) from error
    check_share(placement, delegate)
    return placement


def load_delegate(module: Any, delegate: DelegateOptions, weights: Path) -> Any:
    """Load an accelerator's library and have it make its delegate."""
    library = delegate.library
    # The libraries' own `load_delegate` leaves half-made objects that complain as they die where
    # the library is missing or is none: look before.
    try:
        functions = ctypes.CDLL(library)
    except OSError as error:
        raise not_loaded(library, error, weights) from error
    if not hasattr(functions, "tflite_plugin_create_delegate"):
        raise BackendError(
            "delegate {library}: this library is no TFLite external delegate", library=library
        )
    # It would run on the CPU, as if there were no accelerator.
    if "edgetpu" in library and b"edgetpu-custom-op" not in weights.read_bytes():
        raise BackendError(
            "{file}: is not compiled for the Edge TPU; take the pack's *_edgetpu.tflite, or "
            "compile it with edgetpu_compiler",
            file=weights,
        )
    try:
        return module.load_delegate(library, delegate.options)
    except (ValueError, RuntimeError) as error:
        raise AcceleratorMissingError(
            "delegate {library}: does not start ({why}); is the accelerator plugged in, and may "
            "this user open it?",
            library=library,
            why=reason_of(error),
        ) from error


def not_loaded(library: str, error: OSError, weights: Path) -> BackendError:
    """Return the error for a library that cannot be loaded: it, or one that it needs, is not here.

    Only a model that a CPU can run is advised to run there.
    """
    why = reason_of(error)
    # dlopen(3) begins with the name of what is missing, which may be a library that this one needs.
    is_missing = why.startswith(f"{library}: cannot open shared object file: No such file")
    error_type = AcceleratorMissingError if is_missing else BackendError
    if is_compiled(weights):
        return error_type(
            "delegate {library}: cannot be loaded ({why}); install the accelerator's library: "
            "{file} was compiled for the accelerator, no CPU can run it",
            library=library,
            why=why,
            file=weights.name,
        )
    return error_type(
        "delegate {library}: cannot be loaded ({why}); install the accelerator's library, or "
        "take `delegate` out of the stream's model to run on the CPU",
        library=library,
        why=why,
    )


def library_hash(file: Path) -> str:
    """Return the SHA-256 of a library; why it cannot be read: then nothing can load it."""
    try:
        facts = file.stat()
        return hash_of(file, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
    except OSError as error:
        return str(error)


@lru_cache(maxsize=16)
def hash_of(file: Path, *_facts: int) -> str:
    """Return the SHA-256 of a file's bytes; the facts change where the bytes do."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def reason_of(error: BaseException) -> str:
    """Return an error's text on one line."""
    return " ".join(str(error).split()) or type(error).__name__
