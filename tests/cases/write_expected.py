"""Writes what each case of `tests/cases` leads to now: read the diff.

python tests/cases/write_expected.py [NAME …]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.cases import CONFIGURATIONS, answer
from support.input_cases import EXPECTED, input_cases
from support.input_cases import answer as answer_to_input


def main(names: list[str]) -> None:
    """Write the files of the named cases, or of all."""
    with tempfile.TemporaryDirectory() as state_dir:
        for file in sorted(CONFIGURATIONS.glob("*.toml")):
            if not names or file.stem in names:
                text = answer(file, Path(state_dir))
                file.with_suffix(".expected").write_text(text, encoding="utf-8")
        for case in input_cases():
            if not names or case.name in names:
                text = answer_to_input(case, Path(state_dir))
                (case / EXPECTED).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
