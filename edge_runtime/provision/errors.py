"""Errors that a technician reads in his own language."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from edge_runtime.errors import EdgeError
from edge_runtime.language import Language


class ProvisionError(EdgeError):
    """Provisioning cannot go on. Made of a marked text and its values."""

    def __init__(self, english: str, **values: Any) -> None:
        super().__init__(english.format(**values) if values else english)
        self._english = english
        self._values = values

    def said(self, language: Language) -> str:
        """Return it in a language."""
        return language.text(self._english, **self._values)


class NoLinkError(ProvisionError):
    """The office cannot be reached now, or asks to be asked later."""


class RefusedError(ProvisionError):
    """The office, which has proved who it is, says no."""


@contextlib.contextmanager
def said_in(language: Language) -> Iterator[None]:
    """Let what goes wrong in this block be told in a language."""
    try:
        yield
    except ProvisionError as error:
        raise EdgeError(error.said(language)) from None
