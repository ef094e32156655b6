"""What holds for the package as a whole, read from its files."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict

from support.paths import ROOT

PACKAGE = ROOT / "edge_runtime"


def test_no_class_name_stands_for_two_things() -> None:
    places = defaultdict(list)
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.ClassDef):
                places[node.name].append(str(file.relative_to(ROOT)))
    assert len(places) > 100
    assert {name: files for name, files in places.items() if len(files) > 1} == {}


def test_the_map_lists_every_file_by_its_own_first_line() -> None:
    done = subprocess.run([sys.executable, ROOT / "scripts" / "map", "--check"], check=False)
    assert done.returncode == 0, "run scripts/map"
