"""Texts on their way to another process or a file: template and values, to be translated there.

On the wire a text is `{"text": template, "values": {name: value}}`, and words that nobody
translates are a plain string. A value is such a text again, or a string as it was printed where the
text was made. What is read may be a stranger's doing (a process that decodes what a camera sends,
a file in a folder that somebody else owns), so decoding checks it.
"""

from __future__ import annotations

from string import Formatter
from typing import Annotated, Any, TypeAlias

import msgspec

from edge_runtime.errors import EMPTY, EdgeError, RawText, Text

MAX_TEXT = 10_000  # characters, filled in; a path alone may have 4096
MAX_PLACES = 32
MAX_DEPTH = 16


Words: TypeAlias = Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]


class TextForm(msgspec.Struct, frozen=True):
    """A text as it is sent. Raises ValueError where template and values do not fit each other."""

    text: Words
    values: dict[str, Words | TextForm]

    def __post_init__(self) -> None:
        """Check what a decoder has read, from the innermost text outwards."""
        if not self.values:
            return
        if not all(map(str.isidentifier, self.values)):
            raise ValueError("a value without a name")
        places = list(Formatter().parse(self.text))
        # `{a.b}` and `{a[b]}` would reach into objects.
        names = {name for _, name, _, _ in places if name is not None}
        nested = any("{" in (spec or "") for _, _, spec, _ in places)
        if nested or not names <= self.values.keys() or len(places) > MAX_PLACES:
            raise ValueError("a text without the values of its places")
        if depth(self) > MAX_DEPTH or len(text_of(self)) > MAX_TEXT:
            raise ValueError("a text without end")


AnyForm: TypeAlias = TextForm | Words


class Printed(str):
    """A value as it was printed where its text was made: its format was applied there."""

    def __format__(self, _spec: str) -> str:
        return str(self)


def form_of(text: Text) -> AnyForm:
    """Return a text as it is sent; one that is too long is cut, and then sent as it reads."""
    if isinstance(text, RawText) or len(text) > MAX_TEXT:
        return str(text)[:MAX_TEXT]
    if not text.values:
        return TextForm(text.template, {})
    formats = {name: spec or "" for _, name, spec, _ in Formatter().parse(text.template) if name}
    values = {
        name: form_of_value(value, formats.get(name, "")) for name, value in text.values.items()
    }
    return TextForm(text.template, values)


def form_of_value(value: Any, spec: str) -> AnyForm:
    """Return a value as it is sent: a text or an error as a text, all else as it is printed."""
    if isinstance(value, EdgeError):
        value = value.text
    return form_of(value) if isinstance(value, Text) else format(value, spec)


def text_of(form: AnyForm) -> Text:
    """Return the text that was sent."""
    if isinstance(form, str):
        return RawText(form) if form else EMPTY  # which structs leave out
    values = {
        name: Printed(value) if isinstance(value, str) else text_of(value)
        for name, value in form.values.items()
    }
    return Text(form.text, **values)


def depth(form: AnyForm) -> int:
    """Return how many texts lie within each other."""
    inner = () if isinstance(form, str) else form.values.values()
    return 1 + max(map(depth, inner), default=0)


def encode_text(value: Any) -> AnyForm:
    """Encode texts as what they are made of: msgspec's `enc_hook`."""
    if isinstance(value, Text):
        return form_of(value)
    raise NotImplementedError(f"{type(value).__name__} cannot be sent")


def encode_english(value: Any) -> str:
    """Encode texts as English strings, for outsiders: msgspec's `enc_hook`."""
    if isinstance(value, Text):
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} cannot be sent")


def decode_text(kind: type, value: Any) -> Any:
    """Decode texts: msgspec's `dec_hook`. Raises ValidationError where it is none."""
    if issubclass(kind, Text):
        return value if isinstance(value, Text) else text_of(msgspec.convert(value, AnyForm))
    raise NotImplementedError(f"{kind.__name__} cannot be read")


def with_texts(value: Any) -> Any:
    """Return decoded JSON with texts in place of their forms. Raises ValidationError."""
    if isinstance(value, list):
        return [with_texts(one) for one in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"text", "values"}:
        return text_of(msgspec.convert(value, TextForm))
    return {name: with_texts(one) for name, one in value.items()}
