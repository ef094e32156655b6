"""A certification authority for one test run, by the `openssl` program."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

PAST, PRESENT_END, FUTURE, FUTURE_END = (
    "20200101000000Z", "20390101000000Z", "20400101000000Z", "20490101000000Z",
)  # fmt: skip

CONFIG = """
[req]
distinguished_name = name
[name]
[ca]
default_ca = here
[here]
database = {folder}/index.txt
serial = {folder}/serial
new_certs_dir = {folder}
certificate = {folder}/ca.pem
private_key = {folder}/ca.key
default_md = sha256
policy = anything
unique_subject = no
copy_extensions = copy
[anything]
commonName = supplied
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
"""


@dataclass
class Pair:
    """A certificate and its key, in PEM files."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates with any period of validity; lives in a folder of its own."""

    def __init__(self, folder: Path, name: str = "Test CA") -> None:
        if shutil.which("openssl") is None:
            pytest.skip("the openssl program is not installed (Debian: apt-get install openssl)")
        folder.mkdir(parents=True)
        self.folder = folder
        self.certificate = folder / "ca.pem"
        self.config = folder / "openssl.cnf"
        self.config.write_text(CONFIG.format(folder=folder))
        (folder / "index.txt").touch()
        (folder / "serial").write_text("01\n")
        self._openssl(
            "req", "-x509", *NEW_KEY, "-keyout", folder / "ca.key", "-out", self.certificate,
            "-days", "3650", "-subj", f"/CN={name}", "-extensions", "authority",
        )  # fmt: skip

    def sign(
        self, name: str, alternative: str, *, start: str = PAST, end: str = PRESENT_END
    ) -> Pair:
        """Make a key and a certificate; `alternative` such as `DNS:localhost,IP:127.0.0.1`."""
        pair = Pair(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        request = self.folder / f"{name}.csr"
        self._openssl(
            "req", "-new", *NEW_KEY, "-keyout", pair.key, "-out", request,
            "-subj", f"/CN={name}", "-addext", f"subjectAltName={alternative}",
        )  # fmt: skip
        self._openssl(
            "ca", "-batch", "-notext", "-in", request, "-out", pair.certificate,
            "-startdate", start, "-enddate", end,
        )  # fmt: skip
        return pair

    def _openssl(self, command: str, *arguments: str | Path) -> None:
        done = subprocess.run(
            ["openssl", command, "-config", str(self.config), *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
