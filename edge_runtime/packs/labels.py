"""A pack's list of labels: one a line in the order of the class ids, or each behind its id."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

from edge_runtime.errors import UNFIT, PackError, Text, because
from edge_runtime.records import MAX_MODEL_LABELS

MAX_FILE_BYTES = 4 << 20
MAX_LINE = 1_000  # the longest synset of ImageNet has 131
NUMBERED = re.compile(r"([0-9]{1,9})(?:\s*[:\t]\s*|\s+)(\S.*)")

# Lists of other forms, by what their lines begin with, and what to do.
LABEL_MAP = Text("a label map of the TensorFlow detection API (.pbtxt)")
METADATA = Text("a model's metadata (.json or .yaml)")
TABLE = Text("a table (.csv)")
OTHER_FORMS = (
    (re.compile(r"item\s*(\{|$)"), LABEL_MAP),
    (re.compile(r"[{\[]"), METADATA),
    (re.compile(r"names\s*:"), METADATA),
    (re.compile(r"index,", re.IGNORECASE), TABLE),
)
HEAD_LINES = 50  # among which a form shows


def read_list(file: Path) -> dict[int, str]:
    """Return the labels of a list by their ids, else by their lines, from 0. Raises PackError."""
    lines = read_lines(file)
    names = numbered(file, lines)
    if names is None:
        check_lines(file, lines)
        names = dict(enumerate(lines))
    return names


def read_lines(file: Path) -> list[str]:
    """Return the lines of a list, without spaces around them and without empty ones at its end."""
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_FILE_BYTES + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise PackError(
            "{file}: cannot be read ({reason})", file=file, reason=because(error)
        ) from None
    except UnicodeDecodeError as error:
        raise PackError(
            "{file}: not UTF-8 text (byte {byte}); save it as a text file in UTF-8",
            file=file,
            byte=error.start,
        ) from None
    # Not str.splitlines, which would cut at U+2028 too. A bare \r was a Mac's end of a line.
    lines = [line.strip() for line in re.split("\r\n|\n|\r", text)]
    while lines and not lines[-1]:
        lines.pop()
    if len(data) > MAX_FILE_BYTES or len(lines) > MAX_MODEL_LABELS:
        raise PackError(
            "{file}: more than {most} lines, or than {size} MiB; it is no list of labels",
            file=file,
            most=MAX_MODEL_LABELS,
            size=MAX_FILE_BYTES >> 20,
        )
    check_form(file, lines)
    return lines


def check_form(file: Path, lines: list[str]) -> None:
    """Raise PackError for a file that holds labels in another form."""
    for line in lines[:HEAD_LINES]:
        for beginning, form in OTHER_FORMS:
            if beginning.match(line):
                raise PackError(
                    "{file}: this is {form}, no list of labels: write the names alone into a text "
                    "file, one a line, in the order of their ids",
                    file=file,
                    form=form,
                )


def numbered(file: Path, lines: list[str]) -> dict[int, str] | None:
    """Return the names by id where each line is `12 name` or `12: name`; None where not.

    Numbers that are part of the names (`3 wheeler`) are not taken for ids: those rise, from 0 or
    1 on, and what stands behind them is not one and the same.
    """
    found = [(at, NUMBERED.fullmatch(line)) for at, line in enumerate(lines, start=1) if line]
    pairs = [(at, int(one[1]), one[2]) for at, one in found if one is not None]
    ids = [number for _, number, _ in pairs]
    if len(pairs) < len(found) or not pairs or min(ids) > 1:
        return None
    if len(pairs) > 1 and len({name for *_, name in pairs}) == 1:
        return None
    for (_, before, _), (at, number, _) in pairwise(pairs):
        if number <= before:
            raise PackError(
                "{file}: line {number}: id {id} comes after id {before}: sort the lines by their "
                "ids; where the numbers are names, put an id before each (0 3 wheeler)",
                file=file,
                number=at,
                id=number,
                before=before,
            )
    if ids[-1] >= MAX_MODEL_LABELS:
        raise PackError(
            "{file}: id {id}; at most {most}", file=file, id=ids[-1], most=MAX_MODEL_LABELS - 1
        )
    for at, _, name in pairs:
        check_label(file, at, name)
    return {number: name for _, number, name in pairs}


def check_lines(file: Path, lines: list[str]) -> None:
    """Check that each line names a class. Raises PackError."""
    if not lines:
        raise PackError("{file}: holds no label; write one a line", file=file)
    for number, label in enumerate(lines, start=1):
        if not label:
            raise PackError(
                "{file}: line {number} is empty: remove it, or write the name of the class that "
                "belongs there",
                file=file,
                number=number,
            )
        check_label(file, number, label)


def check_label(file: Path, number: int, label: str) -> None:
    """Check that a label is fit for a record. Raises PackError."""
    if UNFIT.search(label):
        raise PackError(
            "{file}: line {number} holds a control character; remove it", file=file, number=number
        )
    if len(label) > MAX_LINE:
        raise PackError(
            "{file}: line {number} is longer than {most} characters; it is no label",
            file=file,
            number=number,
            most=MAX_LINE,
        )
