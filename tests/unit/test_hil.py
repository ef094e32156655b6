"""The bench's own parts that need no board: mirrors, the wiring table, bundles made of bundles."""

from __future__ import annotations

import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from edge_runtime import __version__
from hil import bundles, images
from hil.boards.ssh import BenchError, wiring
from support.paths import ROOT

OLD_FORM = """
# deb http://commented.example/debian bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/x.gpg] http://others.example/apt bookworm stable
deb http://one.example/debian bookworm main contrib
deb-src http://one.example/debian trixie main
"""
NEW_FORM = """
Types: deb
URIs: mirror+file:{list}
Suites: noble noble-updates
Components: main universe

Types: deb-src
URIs: http://source.example/ubuntu
Suites: noble
Components: main
"""


def test_mirrors_are_found_in_both_forms_of_apts_files(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text(OLD_FORM)
    mirrors = tmp_path / "mirrors.txt"
    mirrors.write_text("http://near.example/ubuntu/\tpriority:1\nhttp://far.example/ubuntu\n")
    (tmp_path / "sources.list.d/ubuntu.sources").write_text(NEW_FORM.format(list=mirrors))
    assert list(images.sources(tmp_path)) == [
        ("http://one.example/debian", ["bookworm"]),
        ("http://near.example/ubuntu/", ["noble", "noble-updates"]),
    ]


def test_the_example_of_a_wiring_table_is_one() -> None:
    table = wiring(ROOT / "hil/bench.toml.example")
    assert table.board.office_address == "192.0.2.1"
    assert None not in (table.power, table.link, table.camera, table.serial)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[board]\nhost = "root@b"\n', "office_address"),
        ('[board]\nhost = "root@b"\noffice_address = "192.0.2.1"\n[pwer]\n', "pwer"),
        ("[board\n", "the header ends with ]"),
    ],
)
def test_a_wrong_wiring_table_is_told_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    table = tmp_path / "bench.toml"
    table.write_text(text)
    with pytest.raises(BenchError) as told:
        wiring(table)
    assert says in str(told.value)
    assert "\n" not in str(told.value)


def test_another_bundle_is_whole_and_of_another_version(tmp_path: Path) -> None:
    top = tmp_path / "edge-runtime"
    (top / "wheels").mkdir(parents=True)
    (top / "BUNDLE").write_text(f"version={__version__}\narch=x86_64\npython=3.11\n")
    info = f"edge_runtime-{__version__}.dist-info"
    wheel = top / f"wheels/edge_runtime-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as made:
        made.writestr("edge_runtime/__init__.py", f'__version__ = "{__version__}"\n')
        made.writestr("edge_runtime/cli/run.py", "works\n")
        made.writestr(f"{info}/METADATA", f"Name: edge-runtime\nVersion: {__version__}\n")
        made.writestr(f"{info}/RECORD", "")
    with tarfile.open(tmp_path / "one.tar.gz", "w:gz") as tar:
        tar.add(top, top.name)
    other = bundles.another(
        tmp_path / "one.tar.gz",
        tmp_path / "other.tar.gz",
        "9.8.7",
        {"edge_runtime/cli/run.py": "broken\n"},
    )
    with tarfile.open(other) as tar:
        tar.extractall(tmp_path / "out", filter="data")
    folder = tmp_path / "out/edge-runtime"
    subprocess.run(
        ["sha256sum", "--quiet", "--check", "--strict", "MANIFEST"], cwd=folder, check=True
    )
    assert "version=9.8.7\n" in (folder / "BUNDLE").read_text()
    with zipfile.ZipFile(folder / "wheels/edge_runtime-9.8.7-py3-none-any.whl") as made:
        assert made.read("edge_runtime/__init__.py") == b'__version__ = "9.8.7"\n'
        assert made.read("edge_runtime/cli/run.py") == b"broken\n"
        assert b"Version: 9.8.7\n" in made.read("edge_runtime-9.8.7.dist-info/METADATA")
        listed = made.read("edge_runtime-9.8.7.dist-info/RECORD").decode().split(",,\n")
        assert sorted(listed[:-1]) == sorted(made.namelist())
