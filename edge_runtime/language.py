"""The language that a command prints in: English, as it stands in the code, or Vietnamese."""

from __future__ import annotations

import gettext
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, get_args, runtime_checkable

Code: TypeAlias = Literal["vi", "en"]

DOMAIN = "edge_runtime"
LOCALE = Path(__file__).parent / "locale"
# In this order, as gettext has it: the first that is set decides.
VARIABLES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")


@runtime_checkable
class Translatable(Protocol):
    """A text or an error that knows its template."""

    def localized(self, translator: Language) -> str:
        """Return it in a language."""
        ...


class Language:
    """Texts for people. `scripts/messages` collects what `text` and `N_` are called with."""

    def __init__(self, code: Code) -> None:
        self.code = code
        # English needs no catalogue: what is asked for is the text itself.
        languages = [] if code == "en" else [code]
        self._catalogue = gettext.translation(DOMAIN, LOCALE, languages, fallback=code == "en")

    def text(self, english: str, /, **values: Any) -> str:
        """Return an English text in this language, its {places} filled with the values.

        Texts and errors among the values are translated, too.
        """
        text = self._catalogue.gettext(english) if english else ""
        if not values:
            return text
        return text.format(**{name: self._localized(value) for name, value in values.items()})

    def translated(self, value: str | Translatable) -> str:
        """Return a text or an error in this language; a plain string as it is."""
        return str(self._localized(value))

    def _localized(self, value: Any) -> Any:
        return value.localized(self) if isinstance(value, Translatable) else value


def N_(english: str) -> str:  # noqa: N802 - gettext's name for it
    """Mark a text for translation that stands in a table, far from where it is printed."""
    return english


# What the system says (strerror(3), gai_strerror(3)) in the field, some of it amid a sentence.
SYSTEM_SAYS = (
    N_("Connection refused"),
    N_("Connection reset by peer"),
    N_("Connection timed out"),
    N_("Device or resource busy"),
    N_("Disk quota exceeded"),
    N_("File name too long"),
    N_("Host is down"),
    N_("Input/output error"),
    N_("Is a directory"),
    N_("Name or service not known"),
    N_("Network is unreachable"),
    N_("No address associated with hostname"),
    N_("No route to host"),
    N_("No space left on device"),
    N_("No such device"),
    N_("No such device or address"),
    N_("No such file or directory"),
    N_("Not a directory"),
    N_("Operation not permitted"),
    N_("Permission denied"),
    N_("Read-only file system"),
    N_("Temporary failure in name resolution"),
    N_("connection refused"),
    N_("connection reset by peer"),
    N_("disk quota exceeded"),
    N_("host is down"),
    N_("input/output error"),
    N_("network is unreachable"),
    N_("no route to host"),
    N_("no space left on device"),
    N_("not a directory"),
    N_("permission denied"),
    N_("read-only file system"),
)


def choose(code: Code | None, environment: Mapping[str, str] | None = None) -> Language:
    """Return the language asked for, else the terminal's, else English."""
    return Language(code or of_terminal(os.environ if environment is None else environment))


def of_terminal(environment: Mapping[str, str]) -> Code:
    """Return the first known language of the first variable that is set: `vi_VN.UTF-8` is vi."""
    wanted = next((value for name in VARIABLES if (value := environment.get(name))), "")
    for name in wanted.split(":"):
        for code in get_args(Code):
            if name.partition(".")[0].partition("_")[0].lower() == code:
                found: Code = code
                return found
    return "en"
