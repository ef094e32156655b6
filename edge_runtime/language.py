"""The language that a command prints in: English, as it stands in the code, or Vietnamese.

Asked for, by the environment, remembered (the person's, then the system's), or the terminal's.
"""

from __future__ import annotations

import gettext
import os
import pwd
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import (
    Any,
    Literal,
    NamedTuple,
    Protocol,
    TypeAlias,
    get_args,
    runtime_checkable,
)

Code: TypeAlias = Literal["vi", "en"]

DOMAIN = "edge_runtime"
LOCALE = Path(__file__).parent / "locale"
# In this order, as gettext has it: the first that is set decides.
VARIABLES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
OWN_VARIABLE = "EDGE_RUNTIME_LANG"
SYSTEM_FILE = Path("/etc/edge-runtime/language")
LONGEST_BYTES = 16  # of a file that remembers a language


@runtime_checkable
class Translatable(Protocol):
    """A text or an error that knows its template."""

    def localized(self, translator: Language) -> str:
        """Return it in a language."""
        ...


class Language:
    """Texts for people. `scripts/messages` collects what `text` and `N_` are called with."""

    def __init__(self, code: Code) -> None:
        self.code = code
        # English needs no catalogue: what is asked for is the text itself.
        languages = [] if code == "en" else [code]
        self._catalogue = gettext.translation(DOMAIN, LOCALE, languages, fallback=code == "en")

    def text(self, english: str, /, **values: Any) -> str:
        """Return an English text in this language, its {places} filled with the values.

        Texts and errors among the values are translated, too.
        """
        text = self._catalogue.gettext(english) if english else ""
        if not values:
            return text
        return text.format(**{name: self._localized(value) for name, value in values.items()})

    def translated(self, value: str | Translatable) -> str:
        """Return a text or an error in this language; a plain string as it is."""
        return str(self._localized(value))

    def _localized(self, value: Any) -> Any:
        return value.localized(self) if isinstance(value, Translatable) else value


def N_(english: str) -> str:  # noqa: N802 - gettext's name for it
    """Mark a text for translation that stands in a table, far from where it is printed."""
    return english


# What the system says (strerror(3), gai_strerror(3)) in the field, some of it amid a sentence.
SYSTEM_SAYS = (
    N_("Connection refused"),
    N_("Connection reset by peer"),
    N_("Connection timed out"),
    N_("Device or resource busy"),
    N_("Disk quota exceeded"),
    N_("File name too long"),
    N_("Host is down"),
    N_("Input/output error"),
    N_("Is a directory"),
    N_("Name or service not known"),
    N_("Network is unreachable"),
    N_("No address associated with hostname"),
    N_("No route to host"),
    N_("No space left on device"),
    N_("No such device"),
    N_("No such device or address"),
    N_("No such file or directory"),
    N_("Not a directory"),
    N_("Operation not permitted"),
    N_("Permission denied"),
    N_("Read-only file system"),
    N_("Temporary failure in name resolution"),
    N_("connection refused"),
    N_("connection reset by peer"),
    N_("disk quota exceeded"),
    N_("host is down"),
    N_("input/output error"),
    N_("network is unreachable"),
    N_("no route to host"),
    N_("no space left on device"),
    N_("not a directory"),
    N_("permission denied"),
    N_("read-only file system"),
)


class LanguageInForce(NamedTuple):
    """A language, and what made it that one: a template with {place}, and the place."""

    code: Code
    why: str
    place: str


def choose(asked: Code | None, environment: Mapping[str, str] | None = None) -> Language:
    """Return the language asked for, else the one in force."""
    return Language(asked or in_force(os.environ if environment is None else environment).code)


def in_force(environment: Mapping[str, str]) -> LanguageInForce:
    """Return the language of a command without `--lang`."""
    if (code := known(environment.get(OWN_VARIABLE, ""))) is not None:
        return LanguageInForce(code, N_("by {place}"), OWN_VARIABLE)
    for file in files_read(environment):
        if (code := remembered(file)) is not None:
            return LanguageInForce(code, N_("remembered in {place}"), str(file))
    for name in VARIABLES:
        if value := environment.get(name):
            why = N_("by the terminal: {place}")
            return LanguageInForce(of_terminal(environment), why, f"{name}={value}")
    return LanguageInForce("en", N_("nothing else is set"), "")


def known(text: str) -> Code | None:
    """Return a code that there is."""
    return next((code for code in get_args(Code) if code == text.strip().lower()), None)


def files_read(environment: Mapping[str, str]) -> Iterator[Path]:
    """Yield the files in which a choice may lie: of the person (also below sudo), of the system."""
    if (own := own_file(environment)) is not None:
        yield own
    yield SYSTEM_FILE


def file_written(environment: Mapping[str, str]) -> Path:
    """Return where a choice is kept: root's is everybody's who has made none."""
    own = own_file(environment)
    return SYSTEM_FILE if os.geteuid() == 0 or own is None else own


def own_file(environment: Mapping[str, str]) -> Path | None:
    """Return the file of the person at the terminal; root by itself has none but the system's."""
    name = Path("edge-runtime") / "language"
    if os.geteuid() != 0:
        base = environment.get("XDG_CONFIG_HOME", "")
        home = environment.get("HOME", "")
        if not base.startswith("/"):  # as the XDG specification has it
            base = f"{home}/.config" if home.startswith("/") else ""
        return base / name if base else None
    with suppress(KeyError, ValueError):
        person = int(environment.get("SUDO_UID", "0"))
        if person != 0:
            return Path(pwd.getpwuid(person).pw_dir) / ".config" / name
    return None


def remembered(file: Path) -> Code | None:
    """Return the choice that lies in a file; None where none is, or none that can be read."""
    # Below sudo it is another person's folder: no link is followed, and no pipe waited for.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with suppress(OSError), os.fdopen(os.open(file, flags), "rb") as opened:
        return known(opened.read(LONGEST_BYTES).decode("ascii", "replace"))
    return None


def of_terminal(environment: Mapping[str, str]) -> Code:
    """Return the first known language of the first variable that is set: `vi_VN.UTF-8` is vi."""
    wanted = next((value for name in VARIABLES if (value := environment.get(name))), "")
    for name in wanted.split(":"):
        for code in get_args(Code):
            if name.partition(".")[0].partition("_")[0].lower() == code:
                found: Code = code
                return found
    return "en"
