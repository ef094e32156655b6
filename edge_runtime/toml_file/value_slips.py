"""Values that are typed as TOML does not have them: quotes, numbers, words, blanks."""

from __future__ import annotations

import re

from edge_runtime.errors import Text
from edge_runtime.toml_file.slips import BEHIND_VALUE, Slip, Stop
from edge_runtime.toml_file.structure_slips import not_closed
from edge_runtime.urls import without_urls

CURLY = "“”„‟«»‘’‚‛＂＇`´"
BLANK = "\u00a0\u200b\u200c\u200d\u2009\u202f\u2007\u3000\ufeff\u2060"
NUMBER = r"[+-]?\d[\d_]*(?:\.\d+)?"
DECIMAL_COMMA = re.compile(r"(?<![\w.,])([+-]?\d+),(\d+)")
WITH_UNIT = re.compile(rf"({NUMBER})\s*([^\W\d_]+|%|°\w?)")
WORDS = {
    "yes": "true", "on": "true", "true": "true", "no": "false", "off": "false", "false": "false",
}  # fmt: skip
NOTHING = ("none", "null", "nil")
VALUE = re.compile(r"[^\s,\]}#][^,\]}#\n]*")


def odd_character(stop: Stop) -> Slip | None:
    """Quotation marks and blanks that a chat or an office program makes of straight ones."""
    for at, one in enumerate(stop.line):
        if one in CURLY and (at >= stop.column or "string" in stop.message or "'" in stop.message):
            text = Text(
                "the quotation mark {mark} comes from a chat or office program; type {straight} "
                "in its place",
                mark=one,
                straight='"',
            )
            return Slip(stop.begin + at, text)
    if stop.rest[:1] and stop.rest[0] in BLANK:
        text = Text("an invisible character, pasted from elsewhere; delete it and type a space")
        return Slip(stop.at, text)
    return None


def comma(stop: Stop) -> Slip | None:
    """A decimal comma: `5,0`."""
    for found in DECIMAL_COMMA.finditer(stop.line):
        if found.start() < stop.column <= found.end() + 3:
            text = Text("a decimal comma; type a point: {number}", number=f"{found[1]}.{found[2]}")
            return Slip(stop.begin + found.start() + len(found[1]), text)
    return None


def backslash(stop: Stop) -> Slip | None:
    """A Windows path in quotes."""
    at = stop.line.rfind("\\", 0, stop.column + 1)
    is_escape = stop.message.startswith(("Unescaped", "Invalid hex", "Escaped character"))
    closing = stop.message == "Unterminated string" and '\\"' in stop.line
    if not (is_escape or closing) or at < 0:
        return None
    text = Text(
        "a backslash in quotes begins a special character; write paths with / as Linux does, such "
        'as "/home/pi/clip.mp4"'
    )
    return Slip(stop.begin + at, text)


def open_quote(stop: Stop) -> Slip | None:
    """Quotes that are not closed on their line."""
    if not (stop.message.startswith(("Unterminated", "Illegal", 'Expected "\'"'))):
        return None
    line = stop.line
    if stop.text[stop.at : stop.at + 1] not in ("", "\n", "'") and "Illegal" in stop.message:
        return None
    mark = '"' if '"' in line else "'"
    at = line.rfind(mark) if line.count(mark) % 2 else line.find(mark)
    if at < 0:
        return None
    text = Text("the quotes that begin here are not closed; type {mark} at their end", mark=mark)
    return Slip(stop.begin + at, text)


def value(stop: Stop) -> Slip | None:  # noqa: PLR0911 - a case each
    """Something without quotes, `yes`, `.5`, or nothing where a value is needed."""
    if stop.message != "Invalid value":
        return None
    found = VALUE.match(stop.rest)
    if found is None:
        return Slip(stop.at, Text("a value is missing behind the '='; type it"))
    if re.match(r"[\w-]+\s*=(?!=)", stop.rest) and not stop.before.strip():
        return not_closed(stop, "[")
    word = found[0].strip()
    if (known := WORDS.get(word.lower())) is not None:
        return Slip(stop.at, Text("type {word} in small letters, without quotes", word=known))
    if word.lower() in NOTHING:
        return Slip(stop.at, Text("there is no word for nothing; leave the key out"))
    if word.startswith("="):
        return Slip(stop.at, Text("one '=' is enough; remove the second"))
    if re.fullmatch(r"[+-]?\.\d+", word):
        return Slip(stop.at, Text("a number begins with a digit: {number}", number=leading(word)))
    if word.startswith("("):
        return Slip(stop.at, Text("a list stands in square brackets: [ … ]"))
    shown = without_urls(word).rstrip("\"'")
    if shown != word.rstrip("\"'") or "…" in shown:
        return Slip(stop.at, Text("text needs quotes around it"))
    return Slip(stop.at, Text("text needs quotes around it: {text}", text=f'"{shown[:64]}"'))


def leading(word: str) -> str:
    return word.replace(".", "0.", 1)


def number(stop: Stop) -> Slip | None:  # noqa: PLR0911 - a case each
    """A number with a unit, with zeros before it, or with dots as an address has them."""
    if stop.message not in (BEHIND_VALUE, "Unclosed array", "Unclosed inline table"):
        return None
    begin = re.search(r"[=\[{,]\s*([^=\[{,]*)$", stop.before)
    start = begin.start(1) if begin else 0
    word = re.split(r"[,\]}#]", stop.line[start:])[0].strip()
    if re.fullmatch(r"\d+(\.\d+){2,3}(:\d+)?", word):
        return quoted(stop, start, word)
    if re.fullmatch(r"[+-]?0\d+(\.\d+)?", word):
        bare = word.lstrip("+-0") or "0"
        return Slip(stop.begin + start, Text("no zeros before a number: {number}", number=bare))
    if re.fullmatch(r"\d+\.", word):
        return Slip(
            stop.begin + start, Text("a digit after the point: {number}", number=f"{word}0")
        )
    if (found := WITH_UNIT.fullmatch(word)) is not None:
        shown = f"{float(found[1]) / 100:g}" if found[2] == "%" else found[1]
        text = Text("a number stands without its unit: {number}", number=shown)
        return Slip(stop.begin + start + found.start(2), text)
    if re.fullmatch(r"\d+[-/:]\S+", word):
        return quoted(stop, start, word)
    return None


def quoted(stop: Stop, start: int, word: str) -> Slip:
    return Slip(
        stop.begin + start, Text("text needs quotes around it: {text}", text=f'"{word[:64]}"')
    )
