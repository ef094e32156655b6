"""Which files a child may open: what it needs to work, and not the daemon's identity or outbox."""

from __future__ import annotations

import os
import site
import sys
from pathlib import Path

import msgspec

from edge_runtime.errors import Text
from edge_runtime.isolation import landlock

PACKAGE = Path(__file__).resolve().parent.parent
# Programs and libraries; what an engine reads of the processor and of itself.
SYSTEM = (
    "/usr", "/lib", "/lib32", "/lib64", "/opt/vc", "/proc", "/sys", "/etc/ld.so.cache",
    "/etc/localtime",
)  # fmt: skip
DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
# What the C library and TLS read to find and believe a host. Not all of /etc: a broker's password
# and the configuration with the logins of cameras lie there.
NAMES_OF_HOSTS = (
    "/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf", "/etc/gai.conf",
    "/etc/services", "/etc/protocols", "/etc/ssl", "/etc/pki", "/run/systemd/resolve",
    "/run/resolvconf", "/run/NetworkManager", "/run/connman",
)  # fmt: skip
DRIVERS = ("/etc/OpenCL", "/etc/vulkan", "/etc/glvnd", "/etc/ld.so.conf", "/etc/ld.so.conf.d")
NO_SANDBOX = Text(
    "no file sandbox on this kernel (Landlock): child processes can open what the daemon can"
)


class Sandbox(msgspec.Struct, frozen=True):
    """What a child may open beside Python and the system's libraries.

    `read` are files, or folders with all below; `devices`: an accelerator's driver may be used,
    which opens devices and may keep what it compiled in the folder for temporary files.
    """

    read: tuple[str, ...] = ()
    network: bool = False
    devices: bool = False


def enter(sandbox: Sandbox) -> None:
    """Give up all other files, for good; nothing happens on a kernel without Landlock.

    Raises LandlockError. Call it while this process has one thread.
    """
    if not landlock.version():
        return
    read = {*SYSTEM, *sandbox.read, *python_folders()}
    write = set(DEVICES)
    if sandbox.network:
        read.update(NAMES_OF_HOSTS)
    if sandbox.devices:
        import tempfile  # costs 4 ms, and few boards have an accelerator

        read.update(DRIVERS)
        read.update(folders_in("LD_LIBRARY_PATH"))
        write.update(("/dev", tempfile.gettempdir()))
    landlock.restrict(sorted(read), sorted(write), tcp=sandbox.network)


def python_folders() -> list[str]:
    """Return where Python's modules lie, beside the folder that a program was started in.

    That one heads `sys.path` after `python -m`, and may be any, the state folder or / among them.
    """
    own = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    roots = (sys.prefix, sys.base_prefix, sys.exec_prefix, str(PACKAGE))
    return [*roots, *own, *folders_in("PYTHONPATH")]


def folders_in(variable: str) -> list[str]:
    return [one for one in os.environ.get(variable, "").split(":") if one]


def kept_by() -> str:
    """Return what keeps children from the daemon's files; empty: nothing does."""
    known = landlock.version()
    return f"Landlock {known}" if known else ""
