"""Prints what a machine needs that is not among the wheels at hand, one requirement a line.

wanted.py ARCH PYTHON WHEELS: pip answers the conditions of requirements for the machine that it
runs on, so that a bundle for another one needs this. Runs on pip's own copy of `packaging`.
"""

from __future__ import annotations

import sys
import tomllib
import zipfile
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from email.parser import HeaderParser
from pathlib import Path

from pip._vendor.packaging.markers import default_environment
from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.utils import canonicalize_name, parse_wheel_filename


def wanted(arch: str, python: str, wheels: Path) -> Iterator[str]:
    """Yield the project's requirements and those of the wheels, for which there is no wheel."""
    there = {str(name) for name in map(name_of, wheels.glob("*.whl"))}
    environment: dict[str, str | AbstractSet[str]] = {
        **{key: str(value) for key, value in default_environment().items()},
        "platform_machine": arch,
        "python_version": python,
        "python_full_version": f"{python}.0",
        "extra": "",
    }
    texts = [*project_requirements(), *wheel_requirements(wheels)]
    for requirement in map(Requirement, texts):
        marker, requirement.marker = requirement.marker, None
        applies = marker is None or marker.evaluate(environment)
        if applies and canonicalize_name(requirement.name) not in there:
            yield str(requirement)


def project_requirements() -> list[str]:
    """Return what the daemon, `provision` and the office need: one bundle is for both."""
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    return [*project["dependencies"], *extras["provision"], *extras["office"]]


def wheel_requirements(wheels: Path) -> Iterable[str]:
    """Yield what the wheels need, in the words of their METADATA."""
    for path in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(path) as wheel:
            name = next(n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))
            yield from (
                HeaderParser().parsestr(wheel.read(name).decode()).get_all("Requires-Dist", [])
            )


def name_of(path: Path) -> str:
    """Return a wheel's project."""
    return str(parse_wheel_filename(path.name)[0])


if __name__ == "__main__":
    for line in sorted(set(wanted(sys.argv[1], sys.argv[2], Path(sys.argv[3])))):
        print(line)
