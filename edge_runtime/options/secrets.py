"""Secrets beside the configuration: `secrets/NAME`, and `{secret:NAME}` where one is meant.

A configuration is copied, shown and sent; its passwords are not. Each is a file of its own, which
its owner and the service's group may read.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import quote

from edge_runtime.errors import Text, UsageError, because, located

FOLDER = "secrets"
PLACEHOLDER = re.compile(r"\{secret:([^{}]*)\}")
NAME = re.compile(r"[a-z0-9-]{1,32}")
MOST_BYTES = 4096


class SecretError(UsageError):
    """A secret cannot be had."""


def filled(text: str, folder: Path) -> str:
    """Return a URL with the secrets in place of `{secret:NAME}`, percent-encoded.

    `folder` holds the folder of secrets. Raises SecretError.
    """
    return PLACEHOLDER.sub(lambda found: quote(secret_named(found[1], folder), safe=""), text)


def secret_named(name: str, folder: Path) -> str:
    """Return a secret by its name. Raises SecretError."""
    if not NAME.fullmatch(name):
        raise SecretError("'{name}' is no name of a secret; 1 to 32 of a-z, 0-9 and '-'", name=name)
    return secret_in(folder / FOLDER / name, name)


def secret_in(path: Path, name: str = "") -> str:
    """Return what a file holds, without the end of its line. Raises SecretError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            data = file.read(MOST_BYTES + 1)
        secret = data.decode().rstrip("\r\n")
    except FileNotFoundError:
        if name:
            raise SecretError(
                "there is no secret '{name}'; set it with {command}",
                name=name,
                command=f"`edge-runtime secret set {name}`",
            ) from None
        raise SecretError("{path}: no such file", path=path) from None
    except OSError as error:
        raise SecretError(located(path, because(error))) from None
    except UnicodeDecodeError:
        raise SecretError("{path}: holds bytes that are no text", path=path) from None
    if (wrong := wrong_with(secret)) is not None:
        raise SecretError(located(path, wrong))
    return secret


def wrong_with(secret: str) -> Text | None:
    """Say why a text can be no secret; None where it can."""
    if not secret:
        return Text("it is empty")
    if len(secret.encode()) > MOST_BYTES:
        return Text("it is longer than {count} bytes", count=MOST_BYTES)
    if not secret.isprintable():
        return Text("it holds control characters")
    return None
