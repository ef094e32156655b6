"""On which line of a TOML text each key stands: the parser does not tell."""

from __future__ import annotations

import re
from typing import NamedTuple

TOKEN = re.compile(
    r"""
    (?P<comment>\#[^\n]*)
    |(?P<string>\"{3}(?:\\.|[^\\])*?\"{3,5}|'{3}.*?'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*')
    |(?P<end>\n)
    |(?P<mark>[\[\]{}=,.])
    |(?P<bare>[^\s\[\]{}=,."'\#]+)
    """,
    re.VERBOSE | re.DOTALL,
)


class Token(NamedTuple):
    """A piece of the text: its kind (a group of `TOKEN`), its line from 1."""

    kind: str
    text: str
    line: int


class KeyLines:
    """The lines of a text's keys, tables and items, by their paths (`streams[0].name`).

    `twice`: the keys and tables that stand in the text again, with the first line and the second.
    The text may be one that no parser takes: then what stands before the fault is known.
    """

    def __init__(self, text: str) -> None:
        self._lines: dict[str, int] = {}
        self.twice: list[tuple[str, int, int]] = []
        self._tables: dict[str, int] = {}
        self._arrays: dict[str, int] = {}
        self._tokens = list(tokens(text))
        self._at = 0
        try:
            self._read()
        except (IndexError, RecursionError):
            return  # the text ends amid something

    def of(self, key: str) -> int:
        """Return the line of a key, else of the table that lacks it; 0: it is nowhere."""
        while key:
            if key in self._lines:
                return self._lines[key]
            key = key[: max(key.rfind("."), key.rfind("["), 0)]
        return 0

    def _read(self) -> None:
        table = ""
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            if token.kind in ("end", "comment"):
                self._at += 1
            elif token.text == "[":
                table = self._header(token.line)
            else:
                self._assignment(table)
                self._skip_line()

    def _skip_line(self) -> None:
        while self._at < len(self._tokens) and self._tokens[self._at].kind != "end":
            self._at += 1

    def _take(self) -> Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _header(self, line: int) -> str:
        self._take()
        is_array = self._tokens[self._at].text == "["
        if is_array:
            self._take()
        parts = self._key("]")
        self._skip_line()
        path = ""
        for part in parts[:-1]:
            path = self._entered(joined(path, part))
        path = joined(path, parts[-1])
        if is_array:
            self._lines.setdefault(path, line)
            number = self._arrays[path] = self._arrays.get(path, -1) + 1
            path = f"{path}[{number}]"
        elif path in self._tables:
            self.twice.append((path, self._tables[path], line))
        self._tables.setdefault(path, line)
        self._lines.setdefault(path, line)
        return path

    def _entered(self, path: str) -> str:
        return f"{path}[{self._arrays[path]}]" if path in self._arrays else path

    def _key(self, end: str) -> list[str]:
        """Take a dotted key and what ends it."""
        parts = []
        while (token := self._take()).text != end or token.kind == "string":
            if token.kind == "end":
                raise IndexError  # no key: what follows is not told either
            if token.kind in ("bare", "string"):
                parts.append(token.text.strip("\"'"))
        return parts or [""]

    def _assignment(self, table: str) -> None:
        line = self._tokens[self._at].line
        path = table
        for part in self._key("="):
            path = joined(path, part)
            if path in self._lines and path not in self._tables:
                repeated = (path, self._lines[path], line)
            else:
                repeated = None
                self._lines.setdefault(path, line)
        if repeated is not None:
            self.twice.append(repeated)
        self._value(path)

    def _value(self, path: str) -> None:
        token = self._take()
        if token.text == "[" and token.kind == "mark":
            self._items(path)
        elif token.text == "{" and token.kind == "mark":
            self._inline(path)
        else:
            while self._tokens[self._at].text not in (",", "]", "}", "\n"):
                self._take()

    def _items(self, path: str) -> None:
        number = 0
        while (token := self._tokens[self._at]).text != "]" or token.kind == "string":
            if token.kind in ("end", "comment") or token.text == ",":
                self._take()
                continue
            self._lines.setdefault(f"{path}[{number}]", token.line)
            self._value(f"{path}[{number}]")
            number += 1
        self._take()

    def _inline(self, path: str) -> None:
        while (token := self._tokens[self._at]).text != "}" or token.kind == "string":
            if token.kind in ("end", "comment") or token.text == ",":
                self._take()
                continue
            self._assignment(path)
        self._take()


def joined(where: str, key: str) -> str:
    """Return the path of a key within a table."""
    return f"{where}.{key}" if where else key


def tokens(text: str) -> list[Token]:
    """Return the pieces of a text; what belongs to no piece is left out."""
    found, line, seen = [], 1, 0
    for match in TOKEN.finditer(text.replace("\r\n", "\n") + "\n"):
        line += match.string.count("\n", seen, match.start())
        seen = match.start()
        found.append(Token(str(match.lastgroup), match[0], line))
    return found
