"""What was typed that is no TOML: the line, the character, and what to type in its place."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeAlias

import tomli

from edge_runtime.errors import Text, UsageError, located
from edge_runtime.toml_file.lines import KeyLines
from edge_runtime.toml_file.near import plainly
from edge_runtime.urls import URL_IN_TEXT, without_urls

CURLY = "“”„‟«»‘’‚‛＂＇`´"
BLANK = "\u00a0\u200b\u200c\u200d\u2009\u202f\u2007\u3000\ufeff\u2060"
PROMPT = re.compile(r"\s*(\$\s|sudo\s|nano\s|vi\s|cat\s|[\w.-]+@[\w.-]+[:~].*[$#](\s|$))")
NUMBER = r"[+-]?\d[\d_]*(?:\.\d+)?"
DECIMAL_COMMA = re.compile(r"(?<![\w.,])([+-]?\d+),(\d+)")
WITH_UNIT = re.compile(rf"({NUMBER})\s*([^\W\d_]+|%|°\w?)")
WORDS = {
    "yes": "true", "on": "true", "true": "true", "no": "false", "off": "false", "false": "false",
}  # fmt: skip
NOTHING = ("none", "null", "nil")
VALUE = re.compile(r"[^\s,\]}#][^,\]}#\n]*")
EXCERPT_LENGTH = 100

BEHIND_VALUE = "Expected newline or end of document after a statement"
NO_EQUALS = "Expected '=' after a key in a key/value pair"


class Slip(NamedTuple):
    """What is wrong, where it stands in the text, and what to type."""

    at: int
    text: Text


class Stop(NamedTuple):
    """Where the parser stopped: the whole text, the place in it, the line, the parser's words."""

    text: str
    at: int
    message: str
    begin: int
    line: str

    @property
    def column(self) -> int:
        """The place within the line, from 0."""
        return self.at - self.begin

    @property
    def rest(self) -> str:
        """What follows in the line."""
        return self.line[self.column :]

    @property
    def before(self) -> str:
        """What stands before it in the line."""
        return self.line[: self.column]


Look: TypeAlias = Callable[[Stop], Slip | None]


def syntax_error(
    error: tomli.TOMLDecodeError, path: Path, error_type: type[UsageError]
) -> UsageError:
    """Return an error that says what a person has to type, with the line as its excerpt."""
    stop = stop_at(error.doc, error.pos, error.msg)
    slip = next((found for look in LOOKS if (found := look(stop))), None)
    if slip is None:
        fault = Text(without_urls(error.msg)[:80])
        slip = Slip(stop.at, Text("not valid TOML: {fault}; correct the line", fault=fault))
    place = stop_at(stop.text, slip.at, "")
    number = stop.text.count("\n", 0, place.begin) + 1
    line = Text("line {line}, column {column}", line=number, column=place.column + 1)
    made = error_type(located(path, line, slip.text))
    made.excerpt = excerpt(place.line, place.column)
    return made


def stop_at(text: str, at: int, message: str) -> Stop:
    """Return a place in a text with its line; behind a line's end, that line."""
    at = min(at, len(text))
    begin = text.rfind("\n", 0, at) + 1
    end = text.find("\n", begin)
    return Stop(text, at, message, begin, text[begin : end if end >= 0 else len(text)])


def excerpt(line: str, column: int) -> tuple[str, ...]:
    """Return a line as it may be shown, and a caret below one of its characters."""
    if without_urls(line) != line or "password" in line.lower():
        line = URL_IN_TEXT.sub(lambda found: "*" * len(found[0]), line)
        line = re.sub(r"(password\s*=\s*)(.*)", lambda f: f[1] + "*" * len(f[2]), line, flags=re.I)
    begin = max(0, column - EXCERPT_LENGTH // 2)
    shown = line[begin : begin + EXCERPT_LENGTH].expandtabs(1)
    return "    " + shown, "    " + " " * width(shown[: column - begin]) + "^"


def width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    wide = sum(unicodedata.east_asian_width(one) in "WF" for one in text)
    return len(text) + wide - sum(unicodedata.combining(one) > 0 for one in text)


def pasted(stop: Stop) -> Slip | None:
    """A command, a prompt or a chat's marks between the lines."""
    if PROMPT.match(stop.line) and "=" not in stop.before:
        return Slip(
            stop.begin,
            Text("this line is a command for the terminal, not configuration; remove the line"),
        )
    if stop.line.lstrip().startswith(("```", "~~~", "<<<<<<<", "=======", ">>>>>>>")):
        return Slip(stop.begin, Text("this line belongs to no configuration; remove the line"))
    return None


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


def behind(stop: Stop) -> Slip | None:  # noqa: PLR0911 - a case each
    """What stands behind a finished value: a semicolon, a second key, a bracket too many."""
    if stop.message != BEHIND_VALUE:
        return None
    if stop.rest.startswith(";"):
        return Slip(stop.at, Text("no ';' at the end of a line; remove it"))
    if stop.rest.startswith(("//", "--", "/*")):
        return Slip(stop.at, Text("a comment begins with '#'; type # in place of it"))
    if stop.rest[0] in "]})":
        text = Text("the bracket {bracket} closes nothing; remove it", bracket=stop.rest[0])
        return Slip(stop.at, text)
    if re.match(r"[\w-]+\s*=", stop.rest):
        return Slip(stop.at, Text("each key stands on a line of its own; begin a new line here"))
    if stop.rest.startswith("="):
        return Slip(stop.at, Text("one '=' is enough; remove the second"))
    return Slip(stop.at, Text("the value ends before this; remove what follows, or correct it"))


def key(stop: Stop) -> Slip | None:
    """A key without its '=', or of characters that no key has."""
    if stop.message != NO_EQUALS:
        return None
    if stop.rest[:1] in (":", "："):
        return Slip(stop.at, Text("type = in place of the ':'"))
    if stop.rest[:1] == "＝":
        return Slip(stop.at, Text("type a plain = in place of this one"))
    first = max(stop.before.rfind(mark) for mark in "{,[") + 1
    typed = re.compile(r"\s*([^=:,{}\[\]#\"']+?)\s*[=:]").match(stop.line, first)
    word = typed[1] if typed else ""
    if typed and word and not re.fullmatch(r"[A-Za-z0-9_-]+", word):
        return odd_key(stop.begin + typed.start(1), word)
    if not stop.rest.strip() or stop.rest.lstrip().startswith(("#", "}", ",")):
        text = Text("a key needs a value: type = and the value behind it, or remove the key")
        return Slip(stop.begin + len(stop.before.rstrip()), text)
    return Slip(stop.at, Text("a key stands before '=': type NAME = VALUE, or remove this line"))


def odd_key(at: int, word: str) -> Slip:
    """Say what a key that no key is may have been meant to be."""
    plain = re.sub(r"[^a-z0-9_-]+", "_", plainly(word)).strip("_")
    text = Text(
        "a key has no spaces, accents or other characters; is {key} meant?", key=f"'{plain}'"
    )
    return Slip(at, text)


def header(stop: Stop) -> Slip | None:
    """A header whose brackets are not closed."""
    for message, bracket in (("Expected ']]'", "]]"), ("Expected ']'", "]")):
        if stop.message.startswith(message):
            return Slip(stop.at, Text("the header ends with {bracket}", bracket=bracket))
    return None


def bracket(stop: Stop) -> Slip | None:
    """A list or an inline table that is not closed, or whose items no comma parts."""
    is_end = stop.message.startswith("Invalid initial") and not stop.text[stop.at :].strip()
    if stop.message not in ("Unclosed array", "Unclosed inline table") and not is_end:
        return None
    mark = "[" if stop.message == "Unclosed array" else "{"
    if re.match(r"\s*[\w\"'+.{\[-]", stop.rest) and not is_first_of_line(stop):
        return Slip(stop.at, Text("a comma is missing here; type it"))
    return not_closed(stop, mark)


def not_closed(stop: Stop, mark: str) -> Slip:
    """Say that a bracket is not closed, at the place where it was opened."""
    opened = opening(stop.text, stop.at, mark)
    text = Text(
        "the {mark} here is not closed, or a comma is missing behind an item; type {end} at its "
        "end",
        mark=mark,
        end={"[": "]", "{": "}"}[mark],
    )
    return Slip(stop.at if opened is None else opened, text)


def is_first_of_line(stop: Stop) -> bool:
    return not stop.before.strip()


def opening(text: str, at: int, mark: str) -> int | None:
    """Return where the innermost bracket of a kind that is open at a place was opened."""
    opened: list[int] = []
    for found in re.finditer(r"\"(?:\\.|[^\"\\\n])*\"|'[^'\n]*'|#[^\n]*|[\[\]{}]", text[:at]):
        if found[0] in ("[", "{"):
            opened.append(found.start())
        elif found[0] in ("]", "}") and opened:
            opened.pop()
    return next((one for one in reversed(opened) if text[one] == mark), None)


def twice(stop: Stop) -> Slip | None:
    """The same key or table again."""
    said = ("Cannot overwrite", "Cannot declare", "Duplicate inline", "Cannot mutate")
    if not stop.message.startswith(said):
        return None
    again = stop.text.count("\n", 0, stop.at) + 1
    found = [one for one in KeyLines(stop.text).twice if one[2] <= again]
    where = stop.begin + len(stop.line) - len(stop.line.lstrip())
    if (name := re.match(r"\s*\[+\s*([\w-]+)\s*\]", stop.line)) is not None and (
        name[1] == "streams" or not found
    ):
        text = Text(
            "[{name}] stands in the file already; of several, each begins with [[{name}]], in two "
            "brackets",
            name=name[1],
        )
        return Slip(where, text)
    if not found:
        return None
    path, first, _ = found[-1]
    if stop.line.lstrip().startswith("["):
        text = Text(
            "[{name}] stands in line {line} already; put the keys below that one, and remove this "
            "line",
            name=path,
            line=first,
        )
    else:
        name_only = path.rpartition(".")[2]
        text = Text(
            "'{name}' stands in line {line} already; remove one of them", name=name_only, line=first
        )
    return Slip(where, text)


def statement(stop: Stop) -> Slip | None:
    """A line that begins with what no key and no header begins with."""
    if stop.message not in ("Invalid statement", "Invalid initial character for a key part"):
        return None
    if stop.rest.startswith("="):
        return Slip(stop.at, Text("the key is missing before the '='; type it"))
    if stop.rest[:1] in ("]", "}", ")"):
        text = Text("the bracket {bracket} closes nothing; remove it", bracket=stop.rest[0])
        return Slip(stop.at, text)
    typed = re.match(r"([^=:,{}\[\]#\"']+?)\s*[=:]", stop.rest)
    if typed is not None:
        return odd_key(stop.at, typed[1])
    text = Text(
        "this is no configuration: a line is NAME = VALUE, [TABLE], or a comment behind '#'; "
        "correct or remove it"
    )
    return Slip(stop.at, text)


LOOKS: tuple[Look, ...] = (
    pasted,
    odd_character,
    comma,
    backslash,
    open_quote,
    value,
    number,
    behind,
    key,
    header,
    bracket,
    twice,
    statement,
)
