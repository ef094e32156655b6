"""The guides as people read them: sections, and what their shell blocks have them type."""

from __future__ import annotations

import re
from pathlib import Path

BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
COMMENT = re.compile(r"\s{2,}#.*|\s+#\s.*")


def section(guide: Path, title: str) -> str:
    """Return the text below a heading of a guide, to the next one of its kind."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", guide.read_text(), re.S | re.M)
    assert found, f"{guide}: no section '{title}'"
    return found[1]


def typed(text: str) -> list[str]:
    """Return the lines of the shell blocks in a text, without their comments."""
    lines = "".join(BLOCK.findall(text)).splitlines()
    return [COMMENT.sub("", line).strip() for line in lines if line.strip()]
