"""One root for the errors that people read; each message says what to do next.

A message is English where it goes into a log or over the link. It keeps the template and the values
that it was made of, so that a command can print it in the reader's language.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Protocol, Self

# Control characters, the other ends of a line, and what is left of bytes that are no UTF-8.
UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Translator(Protocol):
    """A language: `edge_runtime.language.Language`."""

    def text(self, english: str, /, **values: Any) -> str:
        """Return an English text in this language; texts among the values are translated, too."""
        ...


class Text(str):
    """An English text, made of a template with {places} and their values; it is one line.

    Without values a template is taken as it is, braces and all. `scripts/messages` collects the
    templates of `Text` and of the errors. To another process it goes by `edge_runtime.text_form`.
    """

    template: str
    values: dict[str, Any]

    def __new__(cls, template: str, /, **values: Any) -> Self:
        text = super().__new__(cls, one_line(template.format(**values) if values else template))
        text.template, text.values = template, values
        return text

    def localized(self, translator: Translator) -> str:
        """Return it in a language."""
        return one_line(translator.text(self.template, **self.values))


class RawText(Text):
    """Words that are not ours (a foreign program's, a server's): the same in every language."""

    def __new__(cls, words: str, /) -> Self:
        return super().__new__(cls, words)

    def localized(self, translator: Translator) -> str:  # noqa: ARG002 - none translates it
        """Return it as it is."""
        return str(self)


class EdgeError(Exception):
    """Root of the project's own errors: its text is one line, fit to be shown to a technician.

    Made of a template and its values, or of a finished text.
    """

    def __init__(self, english: str = "", /, **values: Any) -> None:
        self.text = english if isinstance(english, Text) else Text(english, **values)
        super().__init__(str(self.text))

    def __str__(self) -> str:
        return one_line(self.text)

    def localized(self, translator: Translator) -> str:
        """Return it in a language."""
        return one_line(self.text.localized(translator))


def one_line(text: str) -> str:
    """Return a text as one line.

    Names and values come from files: they must not write lines of their own into a log.
    """
    return UNFIT.sub(lambda found: repr(found[0])[1:-1], str(text))


EMPTY: Text = RawText("")


def wording(text: str) -> tuple[object, ...]:
    """Return what a text says, whatever the numbers in it: "3 s" and "4 s" are no two reasons."""
    if not isinstance(text, Text):
        return (text,)
    values = [one for one in text.values.values() if not isinstance(one, int | float)]
    return (text.template, *(wording(one) if isinstance(one, Text) else str(one) for one in values))


def row(parts: Sequence[object], between: str = "; ") -> Text:
    """Return texts and errors one after the other."""
    if not parts:
        return EMPTY
    values = {f"part{number}": part for number, part in enumerate(parts)}
    return Text(between.join(f"{{{name}}}" for name in values), **values)


def located(*parts: object) -> Text:
    """Return a file, the place within it, and what is wrong there: `pack.toml: input.std: …`."""
    return row(parts, ": ")


def text_of_error(error: Exception) -> Text:
    """Return what an error says: of one of ours the text, of others their own words."""
    return error.text if isinstance(error, EdgeError) else RawText(str(error))


def because(error: OSError) -> Text:
    """Return what the system says of a call that failed."""
    return Text(error.strerror or str(error))


class UsageError(EdgeError):
    """The command line, a configuration or a pack is wrong (exit status 2).

    `faults`: all that is wrong, one text each, where a file was checked as a whole; the error's own
    text is the first, and how many more there are. `excerpt`: the line in question and the mark
    below it, for a terminal.
    """

    faults: tuple[Text, ...] = ()
    excerpt: tuple[str, ...] = ()

    @classmethod
    def of(cls, faults: Sequence[Text]) -> Self:
        """Return one error that has all faults."""
        first, more = faults[0], len(faults) - 1
        text = Text(
            "{first} (and {count} more: `edge-runtime check` shows all)", first=first, count=more
        )
        error = cls(text if more else first)
        error.faults = tuple(faults)
        return error


class ConfigError(UsageError):
    """The configuration file is wrong: names the file and the path within it."""


class PackError(UsageError):
    """A model pack is wrong: names its folder and the path within its manifest."""


class WeightsError(PackError):
    """A pack's weights are not there, or are not those that its manifest names."""


class SourceError(EdgeError):
    """The world is not as configured (no camera, broken stream): retried with back-off.

    `wait_at_least_s`: so long the next try has to wait, whatever the back-off says.
    """

    def __init__(
        self, english: str = "", /, *, wait_at_least_s: float = 0.0, **values: Any
    ) -> None:
        super().__init__(english, **values)
        self.wait_at_least_s = wait_at_least_s


class BackendError(EdgeError):
    """An inference engine, a delegate or an interpreter failed."""


class IdentityError(EdgeError):
    """The device's identity is missing, waits for the office, or cannot be read."""


class OutboxError(EdgeError):
    """The outbox cannot do what was asked (state folder, disk, another process)."""
