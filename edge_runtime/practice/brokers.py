"""The practice site's broker: Mosquitto where it is installed, else the embedded one."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from edge_runtime.durable import replace_file
from edge_runtime.errors import UsageError
from edge_runtime.practice.exercise import BrokerAccount, BrokerSetup

# amqtt writes its own log, which nobody reads here. Its plug-ins are named, since its defaults
# differ between releases; 3.1.1 is all that it speaks.
EMBEDDED = """
import asyncio, logging, sys
from amqtt.broker import Broker
logging.disable(logging.CRITICAL)
async def main():
    broker = Broker({
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{sys.argv[1]}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    })
    await broker.start()
    await asyncio.Event().wait()
asyncio.run(main())
"""
ITERATIONS = 101  # as mosquitto_passwd has it


def mosquitto_program() -> str | None:
    """Return where Mosquitto is; None where it is not installed."""
    search = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
    return shutil.which("mosquitto", path=search)


def has_embedded() -> bool:
    """Say whether the embedded broker is installed."""
    return find_spec("amqtt") is not None


def broker_command(folder: Path, setup: BrokerSetup, port: int, office_port: int) -> list[str]:
    """Write a broker's files into a folder and return the command that runs it.

    The office listens on a port of its own, as the people there need no certificate.
    """
    program = mosquitto_program()
    if program is not None:
        file = folder / f"mosquitto-{port}.conf"
        replace_file(file, mosquitto_settings(folder, setup, port, office_port).encode())
        return [program, "-c", str(file)]
    if not has_embedded():
        raise UsageError(
            "no broker is installed: `sudo apt-get install mosquitto`, or "
            "`pip install -e '.[broker]'` in the checkout"
        )
    return [sys.executable, "-c", EMBEDDED, str(port)]


def mosquitto_settings(folder: Path, setup: BrokerSetup, port: int, office_port: int) -> str:
    """Return Mosquitto's configuration; root does not hand it to another user, whose files they
    are not.
    """
    lines = ["per_listener_settings true", "user root", f"listener {port} 127.0.0.1"]
    if setup.certificate is not None:
        lines += [f"certfile {folder}/broker.pem", f"keyfile {folder}/broker.key"]
    if setup.accounts:
        accounts = "".join(password_line(account) for account in setup.accounts)
        replace_file(folder / "passwords", accounts.encode())
        replace_file(folder / "acl", acl_text(setup.accounts).encode())
        lines += [
            "allow_anonymous false",
            f"password_file {folder}/passwords",
            f"acl_file {folder}/acl",
        ]
    else:
        lines.append("allow_anonymous true")
    lines += [f"listener {office_port} 127.0.0.1", "allow_anonymous true"]
    return "\n".join(lines) + "\n"


def acl_text(accounts: tuple[BrokerAccount, ...]) -> str:
    """Return the rules: what each user may write and read."""
    found = []
    for account in accounts:
        found.append(f"user {account.user}")
        found += [f"topic readwrite {topic}" for topic in account.topics or ("#",)]
    return "\n".join(found) + "\n"


def password_line(account: BrokerAccount) -> str:
    """Return a user's line of Mosquitto's password file (PBKDF2, SHA-512)."""
    salt = os.urandom(12)
    digest = hashlib.pbkdf2_hmac("sha512", account.password.encode(), salt, ITERATIONS)
    parts = (base64.b64encode(part).decode() for part in (salt, digest))
    return f"{account.user}:$7${ITERATIONS}$" + "$".join(parts) + "\n"
