"""The language of the commands: asked for, by a variable, remembered, the terminal's."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

import click
import pytest

from edge_runtime import language
from edge_runtime.cli import COMMANDS, cli
from edge_runtime.cli.click_words import CLICK_SAYS, click_in
from edge_runtime.cli.localized import LocalizedCommand
from edge_runtime.language import Code, Language, file_written, files_read, in_force, remembered

MAIN = """
import sys
from pathlib import Path
from edge_runtime import language
language.SYSTEM_FILE = Path(sys.argv.pop(1))
from edge_runtime.cli import main
main()
"""


class Person:
    """Types commands: with a home and a system's file of its own, as root or not."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.system_file = folder / "etc" / "language"
        self.own_file = self.home / ".config" / "edge-runtime" / "language"
        self.environment = {
            "HOME": str(self.home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8",
        }  # fmt: skip

    def words(self, *arguments: str) -> list[str]:
        command = [sys.executable, "-c", MAIN, str(self.system_file), *arguments]
        return [*self.prefix(), *command]

    def prefix(self) -> list[str]:
        """Return what makes this process another's than root's."""
        return ["unshare", "--user", "--map-user=1000"] if os.geteuid() == 0 else []

    def type(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command without a terminal, as a script does."""
        return subprocess.run(
            self.words(*arguments),
            env={**self.environment, **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def type_at_terminal(self, *arguments: str, **more: str) -> str:
        """Run a command at a terminal, and return all that it showed."""
        with terminal() as (ours, theirs):
            process = subprocess.Popen(
                self.words(*arguments),
                env={**self.environment, **more},
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
            )
            os.close(theirs)
            shown = read_to_end(ours)
            process.wait()
        return shown.replace("\r\n", "\n")


class Root(Person):
    """The same as root, which has no choice but the system's."""

    def prefix(self) -> list[str]:
        return []


@contextmanager
def terminal() -> Iterator[tuple[int, int]]:
    ours, theirs = pty.openpty()
    try:
        yield ours, theirs
    finally:
        os.close(ours)


def read_to_end(descriptor: int) -> str:
    parts = []
    while True:
        try:
            part = os.read(descriptor, 65536)
        except OSError:  # EIO: the other side has closed
            part = b""
        if not part:
            return b"".join(parts).decode()
        parts.append(part)


def may_be_another() -> bool:
    """Say whether a process here can be one that is not root's."""
    if os.geteuid() != 0:
        return True
    tried = shutil.which("unshare") and subprocess.run(
        ["unshare", "--user", "--map-user=1000", "true"], capture_output=True, check=False
    )
    return bool(tried) and tried.returncode == 0


@pytest.fixture
def person(tmp_path: Path) -> Person:
    if not may_be_another():
        pytest.skip("root may not be another user here (no user namespaces)")
    return Person(tmp_path)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    if os.geteuid() != 0:
        pytest.skip("what root sets for all is set by root")
    return Root(tmp_path)


# Which one


def test_the_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = tmp_path / "system"
    monkeypatch.setattr(language, "SYSTEM_FILE", system)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    environment = {"HOME": str(tmp_path), "LANG": "vi_VN.UTF-8"}
    assert in_force({"HOME": str(tmp_path)}).code == "en"
    assert in_force(environment) == ("vi", "by the terminal: {place}", "LANG=vi_VN.UTF-8")
    system.write_text("en\n")
    assert in_force(environment) == ("en", "remembered in {place}", str(system))
    own = tmp_path / ".config" / "edge-runtime" / "language"
    own.parent.mkdir(parents=True)
    own.write_text("vi\n")
    assert in_force({**environment, "LANG": "C"}) == ("vi", "remembered in {place}", str(own))
    by_variable = in_force({**environment, "EDGE_RUNTIME_LANG": "EN"})
    assert by_variable == ("en", "by {place}", "EDGE_RUNTIME_LANG")
    assert in_force({**environment, "EDGE_RUNTIME_LANG": "tlh"}).code == "vi"
    elsewhere = {**environment, "XDG_CONFIG_HOME": str(tmp_path / "xdg")}
    assert file_written(elsewhere) == tmp_path / "xdg" / "edge-runtime" / "language"
    assert in_force(elsewhere).place == str(system)
    assert file_written({**environment, "XDG_CONFIG_HOME": "not/absolute"}) == own


def test_below_sudo_the_person_s_choice_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(language, "SYSTEM_FILE", tmp_path / "system")
    home = Path(language.pwd.getpwuid(65534).pw_dir)
    below_sudo = {"SUDO_UID": "65534", "HOME": "/root"}
    own = home / ".config" / "edge-runtime" / "language"
    assert list(files_read(below_sudo)) == [own, tmp_path / "system"]
    assert file_written(below_sudo) == tmp_path / "system"
    for odd in ("", "0", "x", "4294967000"):
        assert list(files_read({"SUDO_UID": odd})) == [tmp_path / "system"]


def test_what_is_no_choice_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "language"
    assert remembered(file) is None
    for text in ("", "xx", "vi en", "\xff", "v" * 100_000):
        file.write_text(text)
        assert remembered(file) is None
    file.write_text(" VI \n")
    assert remembered(file) == "vi"
    link = tmp_path / "link"
    link.symlink_to(file)
    assert remembered(link) is None, "below sudo it may be anybody's link"
    os.mkfifo(tmp_path / "pipe")
    assert remembered(tmp_path / "pipe") is None, "nobody waits for a pipe"
    assert remembered(tmp_path) is None


# The command


def test_a_language_that_is_set_holds_for_every_later_command(person: Person) -> None:
    assert person.type("language").stdout == "English, by the terminal: LANG=C.UTF-8\n"
    done = person.type("language", "vi")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"tiếng Việt (ghi nhớ trong {person.own_file})\n"
    assert person.own_file.read_text() == "vi\n"
    assert person.type("language").stdout == done.stdout
    assert "Thiếu tùy chọn '--config'" in person.type("check").stderr
    assert person.type("check", "--lang", "en").stderr.startswith("edge-runtime: Missing option")
    assert "Missing option" in person.type("check", EDGE_RUNTIME_LANG="en").stderr
    assert person.type("language", "auto").stdout.startswith("English, by the terminal")
    assert not person.own_file.exists()
    assert person.type("language", "auto").returncode == 0
    assert person.type("language", LANG="vi_VN.UTF-8").stdout.startswith("tiếng Việt (theo")


def test_what_is_set_and_overruled_is_said(person: Person) -> None:
    done = person.type("language", "vi", EDGE_RUNTIME_LANG="en")
    assert done.stdout.splitlines() == [
        "English, by EDGE_RUNTIME_LANG",
        "what was set just now does not hold against that",
    ]


def test_root_s_choice_is_everybody_s(root: Root) -> None:
    assert root.type("language", "vi").stdout.startswith("tiếng Việt")
    assert root.system_file.read_text() == "vi\n"
    assert root.system_file.stat().st_mode & 0o777 == 0o644
    assert not root.own_file.exists()
    if may_be_another():
        other = Person(root.system_file.parents[1])
        assert other.type("language").stdout.startswith("tiếng Việt")
        assert other.type("language", "en").stdout.startswith("English")
        assert other.type("language", "auto").stdout.startswith("tiếng Việt")


def test_a_place_that_cannot_be_written_is_named(person: Person) -> None:
    person.home.mkdir()
    (person.home / ".config").write_text("a file where a folder should be")
    done = person.type("language", "vi")
    assert done.returncode == 1
    assert str(person.own_file) in done.stderr
    assert "EDGE_RUNTIME_LANG" in done.stderr


# Given once


def test_lang_given_once_at_a_terminal_is_remembered_and_said_once(person: Person) -> None:
    shown = person.type_at_terminal("camera", "list", "--lang", "vi")
    note = f"từ nay dùng tiếng Việt, ghi nhớ trong {person.own_file}; muốn đổi thì dùng"
    assert shown.count(note) == 1
    assert person.own_file.read_text() == "vi\n"
    assert "từ nay" not in person.type_at_terminal("camera", "list", "--lang", "vi")
    assert "từ nay" not in person.type_at_terminal("language")
    assert "from now on in English" in person.type_at_terminal("language", "--lang", "en")
    assert person.own_file.read_text() == "en\n"


@pytest.mark.parametrize("arguments", [("language", "--lang", "vi"), ("--lang", "vi", "language")])
def test_in_a_script_nothing_is_remembered(person: Person, arguments: Sequence[str]) -> None:
    assert person.type(*arguments).returncode == 0
    assert not person.own_file.exists()


def test_where_a_variable_decides_nothing_is_remembered(person: Person) -> None:
    person.type_at_terminal("language", "--lang", "vi", EDGE_RUNTIME_LANG="en")
    assert not person.own_file.exists()


def test_a_home_that_cannot_be_written_stops_no_command(person: Person) -> None:
    person.home.mkdir()
    (person.home / ".config").write_text("a file where a folder should be")
    shown = person.type_at_terminal("language", "--lang", "vi")
    assert "không ghi nhớ được ngôn ngữ" in shown
    assert "tiếng Anh" in shown or "English" in shown


# Click's words


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("check",), "edge-runtime: Thiếu tùy chọn '--config'. `edge-runtime check --help`"),
        (("check", "--cnfig", "x"), "edge-runtime: Không có tùy chọn '--cnfig'. "),
        (("chek",), "edge-runtime: Không có lệnh 'chek'."),
        (("camera",), "Cách dùng: edge-runtime camera [OPTIONS] COMMAND [ARGS]..."),
        (("snapshot", "x", "--width", "1"), "'--width': 1 nằm ngoài khoảng 16<=x<=1280."),
        (("snapshot", "x", "--width", "y"), "'y' không phải là số hợp lệ."),
        (("snapshot",), "Thiếu tham số 'STREAM'."),
        (("practice", "show", "a", "b"), "Thừa các tham số (a b)"),
        (("doctor", "--lang", "fr"), "'fr' không hợp lệ; phải là một trong 'vi', 'en'."),
        (("practice", "--exercises", "/no/such"), "'/no/such' không tồn tại."),
    ],
)
def test_click_s_own_words(person: Person, arguments: Sequence[str], said: str) -> None:
    done = person.type(*arguments, EDGE_RUNTIME_LANG="vi")
    assert done.returncode == 2
    assert said in done.stderr
    assert "`edge-runtime" in done.stderr or "Cách dùng" in done.stderr


def test_click_speaks_english_again_after_a_command() -> None:
    with click_in(Language("vi")):
        assert click.UsageError("x").format_message() == "x"
        assert "Thiếu tên lệnh" in str(click.core._("Missing command."))  # type: ignore[attr-defined]
    assert click.core._("Missing command.") == "Missing command."  # type: ignore[attr-defined]
    for text in CLICK_SAYS:
        assert Language("vi").text(text) != text


# Every command


def commands(group: click.Group, name: str = "") -> Iterator[tuple[str, click.Command]]:
    ctx = click.Context(group)
    for one in group.list_commands(ctx):
        command = group.get_command(ctx, one)
        assert command is not None
        yield f"{name} {one}".strip(), command
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} {one}".strip())


@pytest.mark.parametrize("code", get_args(Code))
def test_every_command_takes_lang_and_has_its_help_in_it(code: Code) -> None:
    assert isinstance(cli, click.Group)
    found = dict(commands(cli))
    assert len(found) > len(COMMANDS)
    own = Language(code)
    for name, command in found.items():
        assert isinstance(command, LocalizedCommand), name
        assert any("--lang" in one.opts for one in command.params), name
        texts = [
            command.help,
            *(one.help for one in command.params if isinstance(one, click.Option)),
        ]
        for text in filter(None, texts):
            assert code == "en" or own.text(text) != text or is_plain(text), f"{name}: {text}"


def is_plain(text: str) -> bool:
    """Say whether a help is not a sentence: a form of a URL, a default."""
    return text.startswith(("mqtt", "["))


def test_status_is_in_the_language_that_is_asked_for(tmp_path: Path) -> None:
    person = Person(tmp_path)
    words = ("status", "--state-dir", str(tmp_path / "state"))
    chosen = person.type(*words, EDGE_RUNTIME_LANG="vi").stdout
    asked = person.type(*words, "--lang", "en", EDGE_RUNTIME_LANG="vi").stdout
    assert Language("vi").text("daemon") in chosen
    assert asked.startswith("daemon")
    assert chosen != asked
