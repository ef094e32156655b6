"""Passwords beside the configuration: set, filled in, never in what is shown, never followed."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from edge_runtime.cli.secret import keep
from edge_runtime.config import load
from edge_runtime.options import CameraOptions
from edge_runtime.options.secrets import MOST_BYTES, SecretError, filled, secret_in

HEAD = '[device]\nsite = "a"\n[broker]\nurl = "mqtts://b.example"\n[[streams]]\nname = "gate"\n'


def camera(folder: Path, source: str) -> CameraOptions:
    file = folder / "edge-runtime.toml"
    file.write_text(f'{HEAD}source = {{ kind = "camera", {source} }}\n')
    found = load(file).streams[0].source
    assert isinstance(found, CameraOptions)
    return found


def secret(folder: Path, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    config = folder / "edge-runtime.toml"
    return subprocess.run(
        [sys.executable, "-m", "edge_runtime", "secret", *words, "--config", config],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_secret_is_set_listed_filled_in_and_deleted(tmp_path: Path) -> None:
    done = secret(tmp_path, "set", "gate", stdin="mua#2026/%\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert "mua" not in done.stdout
    file = tmp_path / "secrets" / "gate"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert secret(tmp_path, "list").stdout == "gate\n"
    in_url = camera(tmp_path, 'device = "rtsp://guard:{secret:gate}@192.0.2.7/live"')
    beside = camera(
        tmp_path,
        'device = "rtsp://192.0.2.7/live", username = "guard", password_file = "secrets/gate"',
    )
    assert in_url == beside
    assert in_url.url == "rtsp://guard:mua%232026%2F%25@192.0.2.7/live"
    assert in_url.place == "rtsp://192.0.2.7"
    in_path = camera(tmp_path, 'device = "rtsp://192.0.2.7/user=a&password={secret:gate}&ch=1"')
    assert in_path.url.endswith("password=mua%232026%2F%25&ch=1")
    assert secret(tmp_path, "remove", "gate").returncode == 0
    assert (secret(tmp_path, "list").stdout, file.exists()) == ("", False)
    assert secret(tmp_path, "remove", "gate").returncode == 2


@pytest.mark.parametrize(
    ("value", "said"),
    [("", "empty"), ("a\x07b", "control characters"), ("x" * (MOST_BYTES + 1), "longer")],
)
def test_what_can_be_no_secret_is_refused_and_what_was_stays(
    tmp_path: Path, value: str, said: str
) -> None:
    secret(tmp_path, "set", "gate", stdin="before")
    refused = secret(tmp_path, "set", "gate", stdin=value)
    assert refused.returncode == 2
    assert said in refused.stderr
    assert secret_in(tmp_path / "secrets" / "gate") == "before"


@pytest.mark.parametrize("name", ["Gate", "../x", "a/b", "", "x" * 33, ".hidden"])
def test_a_name_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    assert secret(tmp_path, "set", name, stdin="x").returncode == 2
    with pytest.raises(SecretError, match="is no name of a secret"):
        filled(f"rtsp://a:{{secret:{name}}}@b", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_link_in_the_place_of_a_secret_is_replaced_and_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_text("untouched")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "gate").symlink_to(target)
    keep(tmp_path / "edge-runtime.toml", "gate", "new")
    assert target.read_text() == "untouched"
    assert secret_in(tmp_path / "secrets" / "gate") == "new"


def test_a_pipe_or_bytes_that_are_no_text_are_told_and_nothing_waits(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "bytes").write_bytes(b"\xff\xfe")
    (folder / "folder").mkdir()
    for name, said in (("pipe", "empty"), ("bytes", "no text"), ("folder", "directory")):
        with pytest.raises(SecretError, match=said):
            filled(f"rtsp://a:{{secret:{name}}}@b", tmp_path)
