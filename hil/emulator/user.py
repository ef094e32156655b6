"""Programs of another architecture on this machine: QEMU's user emulation behind binfmt_misc."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hil import images

# LiteRT 2.2 and later end with an illegal instruction under the emulator of Debian 12 (7.2).
SUITE = "trixie"
NAME = "edge-runtime-hil-aarch64"
# An ELF file of 64 bits, little-endian, for the machine 183; a program or a shared object.
MAGIC = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
# The newest kernels forget what was registered when the last mount of the table goes away; older
# ones keep it, and it is replaced here.
REGISTER = """\
table=/proc/sys/fs/binfmt_misc
mount -t binfmt_misc binfmt_misc $table
[ ! -e $table/{name} ] || echo -1 >$table/{name}
printf %s '{line}' >$table/register
"""
# Apt with files of its own: signatures are checked, the machine's own package lists stay alone.
FETCH = """\
mkdir -p state/lists/partial cache/archives/partial parts
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $1 $2 main" >sources.list
apt() {
    apt-get -q -o Dir::Etc::SourceList="$PWD/sources.list" -o Dir::Etc::SourceParts="$PWD/parts" \
        -o Dir::State="$PWD/state" -o Dir::Cache="$PWD/cache" -o Acquire::Languages=none \
        -o APT::Sandbox::User=root "$@"
}
apt update
apt download qemu-user
dpkg-deb --fsys-tarfile qemu-user_*.deb | tar -x ./usr/bin/qemu-aarch64
"""


class Aarch64(images.Recipe, frozen=True, tag="arm64"):
    """A tree for arm64."""

    def prelude(self) -> str:
        return register()

    def options(self) -> str:
        return "--arch=arm64"


def register() -> str:
    """Return the shell's commands after which the kernel runs aarch64 programs."""
    line = f":{NAME}:M::{MAGIC}:{MASK}:{interpreter()}:F"
    return REGISTER.format(name=NAME, line=line)


def interpreter() -> Path:
    """Return the emulator: a static program of a newer Debian, fetched once."""
    program = images.cache_dir() / f"qemu-aarch64-{SUITE}"
    if not program.exists():
        images.say(f"fetching qemu-user of {SUITE}")
        program.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as place:
            images.run(
                ["sh", "-ec", FETCH, "sh", images.here().mirror, SUITE],
                cwd=place,
                failure="no qemu-user",
            )
            half = program.with_suffix(".half-made")
            shutil.copy(Path(place) / "usr/bin/qemu-aarch64", half)
            half.rename(program)
    return program
