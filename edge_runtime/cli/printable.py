"""Text of others, fit for a terminal: escape sequences and what turns text around are spelled out.

A device, or whoever may write to the broker, names labels, rules and streams; a terminal obeys what
stands in them: it sets its title, fills the clipboard, clears itself.
"""

from __future__ import annotations

import re

import click

# C0, DEL, C1; marks of direction, joiners and separators of Unicode that no font shows.
UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff]"
)


def printable(text: str) -> str:
    """Return a text with what does not print spelled out, as Python spells it."""
    return UNPRINTABLE.sub(spelled, text)


def printable_lines(text: str) -> str:
    """Return a text whose own ends of lines stay, as `printable` makes each line."""
    return "\n".join(map(printable, text.split("\n")))


def say(text: str = "", *, err: bool = False) -> None:
    """Print lines, on standard error with `err`. All that commands say goes through here."""
    click.echo(printable_lines(text), err=err)


def say_marked(mark: str, colour: str, text: str) -> None:
    """Print a coloured mark, and a text behind it."""
    click.echo(f"{click.style(mark, fg=colour)}  {printable_lines(text)}")


def printable_json(text: str) -> str:
    """Return the same JSON with what does not print as JSON's own escapes, on one line."""
    return UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def spelled(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
