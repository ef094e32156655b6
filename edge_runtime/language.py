"""The language in which a person is spoken to: English, as the code says it, or Vietnamese."""

from __future__ import annotations

import gettext
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

Code: TypeAlias = Literal["vi", "en"]

DOMAIN = "edge_runtime"
LOCALE = Path(__file__).parent / "locale"
# In this order, as gettext has it: the first that is set decides.
VARIABLES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")


class Language:
    """Texts for people. `scripts/messages` collects what `text` and `mark` are called with."""

    def __init__(self, code: Code) -> None:
        self.code = code
        # English needs no catalogue: what is asked for is the text itself.
        languages = [] if code == "en" else [code]
        self._catalogue = gettext.translation(DOMAIN, LOCALE, languages, fallback=code == "en")

    def text(self, english: str, **values: Any) -> str:
        """Return an English text in this language, its {places} filled with the values."""
        text = self._catalogue.gettext(english)
        return text.format(**values) if values else text


def mark(english: str) -> str:
    """Mark a text that stands in a table, far from where it is said."""
    return english


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
