"""The language in which a person is spoken to: English, as the code says it, or Vietnamese."""

from __future__ import annotations

import gettext
import os
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from string import Formatter
from typing import Any, Literal, Protocol, TypeAlias, get_args, runtime_checkable

Code: TypeAlias = Literal["vi", "en"]

DOMAIN = "edge_runtime"
LOCALE = Path(__file__).parent / "locale"
# In this order, as gettext has it: the first that is set decides.
VARIABLES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
# A template with fewer letters besides its places ("{name}: {why}") would fit almost any text.
MIN_LETTERS = 7
# A longer one is not ours, but somebody's who would have us think about it for ever.
MAX_RETOLD = 600


@runtime_checkable
class Sayable(Protocol):
    """A text or an error that can be said in another language."""

    def said(self, language: Language) -> str:
        """Return it in a language."""
        ...


class Language:
    """Texts for people. `scripts/messages` collects what `text` and `mark` are called with."""

    def __init__(self, code: Code) -> None:
        self.code = code
        # English needs no catalogue: what is asked for is the text itself.
        languages = [] if code == "en" else [code]
        self._catalogue = gettext.translation(
            DOMAIN, LOCALE, languages, Catalogue, fallback=code == "en"
        )

    def text(self, english: str, /, **values: Any) -> str:
        """Return an English text in this language, its {places} filled with the values.

        Errors among the values are said in this language, too.
        """
        text = self._catalogue.gettext(english) if english else ""
        return text.format(**{k: self._said(v) for k, v in values.items()}) if values else text

    def retold(self, english: str) -> str:
        """Return what was said in English elsewhere: by the running daemon, by the office.

        Of what the catalogue does not know a template, the English text stays.
        """
        if isinstance(self._catalogue, Catalogue) and len(english) <= MAX_RETOLD:
            return self._catalogue.memory.retold(english)
        return english

    def _said(self, value: Any) -> Any:
        return value.said(self) if isinstance(value, Sayable) else value


class Catalogue(gettext.GNUTranslations):
    """All texts of a language."""

    _catalog: dict[str, str]  # so gettext's documentation names it, for classes such as this one

    @cached_property
    def memory(self) -> TemplateIndex:
        """The same, to be found by what was made of them."""
        return TemplateIndex({key: text for key, text in self._catalog.items() if key})


class TextTemplate:
    """A text with {places}, to be recognised in what was made of it."""

    def __init__(self, english: str, translation: str) -> None:
        parts = list(Formatter().parse(english))
        self.literals = "".join(literal for literal, *_ in parts)
        self._needed = max((literal for literal, *_ in parts), key=len)
        self._parts = list(Formatter().parse(translation))
        seen: set[str] = set()
        pattern = ""
        for literal, name, *_ in parts:
            pattern += re.escape(literal)
            if name is not None:
                pattern += f"(?P={name})" if name in seen else f"(?P<{name}>.+?)"
                seen.add(name)
        self._pattern = pattern

    def values(self, text: str) -> dict[str, str] | None:
        """Return the values from which a text was made, None where it was made of another."""
        found = re.fullmatch(self._pattern, text) if self._needed in text else None
        return found.groupdict() if found else None

    def filled(self, values: Mapping[str, str]) -> str:
        """Return the translation with the values, which are texts already."""
        return "".join(
            literal + (values[name] if name is not None else "")
            for literal, name, *_ in self._parts
        )


class TemplateIndex:
    """Knows of which template a finished text was made: the one that says most of it."""

    def __init__(self, translations: Mapping[str, str]) -> None:
        self._translations = translations
        templates = [TextTemplate(*pair) for pair in translations.items() if "{" in pair[0]]
        letters = {one: sum(map(str.isalpha, one.literals)) for one in templates}
        self._templates = sorted(
            (one for one in templates if letters[one] >= MIN_LETTERS),
            key=lambda one: letters[one],
            reverse=True,
        )

    def retold(self, english: str) -> str:
        """Return a text in this language, as far as it is known."""
        if (known := self._known(english)) is not None:
            return known
        # One reason after the other, each of which may hold a semicolon itself.
        for found in reversed(list(re.finditer("; ", english))):
            if (first := self._known(english[: found.start()])) is not None:
                return f"{first}; {self.retold(english[found.end() :])}"
        return english

    def _known(self, english: str) -> str | None:
        """Return a text that was made of one template, with an address or a place before it."""
        if english in self._translations:
            return self._translations[english]
        for template in self._templates:
            if (values := template.values(english)) is not None:
                return template.filled({k: self.retold(v) for k, v in values.items()})
        place, colon, rest = english.partition(": ")
        known = self._known(rest) if colon and "; " not in place else None
        return None if known is None else f"{place}: {known}"


def mark(english: str) -> str:
    """Mark a text that stands in a table, far from where it is said."""
    return english


# What the system says (strerror(3), gai_strerror(3)) in the field, some of it amid a sentence.
SYSTEM_SAYS = (
    mark("Connection refused"),
    mark("Connection reset by peer"),
    mark("Connection timed out"),
    mark("Device or resource busy"),
    mark("Disk quota exceeded"),
    mark("File name too long"),
    mark("Host is down"),
    mark("Input/output error"),
    mark("Is a directory"),
    mark("Name or service not known"),
    mark("Network is unreachable"),
    mark("No address associated with hostname"),
    mark("No route to host"),
    mark("No space left on device"),
    mark("No such device"),
    mark("No such device or address"),
    mark("No such file or directory"),
    mark("Not a directory"),
    mark("Operation not permitted"),
    mark("Permission denied"),
    mark("Read-only file system"),
    mark("Temporary failure in name resolution"),
    mark("connection refused"),
    mark("connection reset by peer"),
    mark("disk quota exceeded"),
    mark("host is down"),
    mark("input/output error"),
    mark("network is unreachable"),
    mark("no route to host"),
    mark("no space left on device"),
    mark("not a directory"),
    mark("permission denied"),
    mark("read-only file system"),
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
