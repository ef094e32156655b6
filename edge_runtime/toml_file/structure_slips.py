"""Keys, headers, brackets and lines that are typed as TOML does not have them."""

from __future__ import annotations

import re

from edge_runtime.errors import Text
from edge_runtime.toml_file.lines import KeyLines
from edge_runtime.toml_file.near import plainly
from edge_runtime.toml_file.slips import BEHIND_VALUE, NO_EQUALS, Slip, Stop

PROMPT = re.compile(r"\s*(\$\s|sudo\s|nano\s|vi\s|cat\s|[\w.-]+@[\w.-]+[:~].*[$#](\s|$))")


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
