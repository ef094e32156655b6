"""From a file to its raw tables, with the text kept for the places of what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tomli

from edge_runtime.errors import UsageError, because

MAX_FILE_BYTES = 1 << 20


class Tables(dict[str, Any]):
    """A file's raw tables, and the text in which they stand."""

    text: str = ""


def read_toml(path: Path, error_type: type[UsageError]) -> Tables:
    """Return a file's raw tables. Raises `error_type`, or FileNotFoundError."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise error_type(
                "{file}: larger than 1 MiB; it cannot be the file that is meant", file=path
            )
        return parse_toml(data.decode("utf-8-sig"), path, error_type)  # Windows editors put a BOM
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(path) from None
    except OSError as error:
        raise error_type(
            "{file}: cannot be read ({reason})", file=path, reason=because(error)
        ) from None
    except UnicodeDecodeError as error:
        raise error_type(
            "{file}: line {line}: not UTF-8 text (byte {byte}); save the file again with the "
            "encoding UTF-8",
            file=path,
            line=data.count(b"\n", 0, error.start) + 1,
            byte=error.start,
        ) from None


def parse_toml(text: str, path: Path, error_type: type[UsageError]) -> Tables:
    """Return a text's raw tables; `path` is for messages. Raises `error_type`."""
    try:
        tables = Tables(tomli.loads(text))
    except tomli.TOMLDecodeError as error:
        from edge_runtime.toml_file.syntax import syntax_error  # for a mistake alone

        raise syntax_error(error, path, error_type) from None
    except RecursionError:
        raise error_type("{file}: not valid TOML: nested too deeply", file=path) from None
    except ValueError:  # the interpreter's own limit of 4,300 digits
        raise error_type(
            "{file}: not valid TOML: a number with too many digits", file=path
        ) from None
    tables.text = text
    return tables
