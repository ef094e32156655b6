"""A claim: what the office gives a technician, so that one device may enrol once.

`edge-claim-1:` and base64url of a CRC-32 (big endian, against slips in typing) and a CBOR map with
the fields' places, from 1, as keys. Addresses go without their scheme, and the broker's name is
left out where its address says it: the text must fit a QR code that a cheap telephone reads.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
import zlib
from typing import Annotated, Any
from urllib.parse import urlsplit

import cbor2
import msgspec
from msgspec import Meta

from edge_runtime.errors import UsageError

PREFIX = "edge-claim-1:"
MAX_CHARACTERS = 400
MAX_FILE_CHARACTERS = 16_384
MAX_NAME = 64  # ub-common-name of RFC 5280: what a certificate's CN may hold
EST_SCHEME, BROKER_SCHEME = "https://", "mqtts://"
HOST_AND_PORT = r"([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):[0-9]{1,5}"

Level = Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,32}\Z")]
EstUrl = Annotated[str, Meta(pattern=rf"^{EST_SCHEME}{HOST_AND_PORT}(/[A-Za-z0-9._~-]+)*\Z")]
BrokerUrl = Annotated[str, Meta(pattern=rf"^{BROKER_SCHEME}{HOST_AND_PORT}\Z")]
DnsName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9.:-]{1,253}\Z")]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
# HTTP Basic (RFC 7617): the user must not hold a colon.
Credential = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._~-]{1,64}\Z")]
Boot = Annotated[int, Meta(ge=1, le=2**40)]
UnixSeconds = Annotated[int, Meta(ge=0, le=253_402_300_799)]


class ClaimError(UsageError):
    """The claim is no claim, damaged, or not for this version: one line for a technician."""


class Claim(msgspec.Struct, frozen=True):
    """Where to enrol as what, whom to trust (`ca_sha256`: of the CA's DER), and the right to.

    `first_boot` is where a board that replaces another begins to count: under the same name it must
    not give its results numbers that subscribers have seen.
    """

    site: Level
    device: Level
    est_url: EstUrl
    broker_url: BrokerUrl
    broker_name: DnsName
    ca_sha256: Sha256
    claim_id: Credential
    secret: Credential
    expires_at: UnixSeconds
    first_boot: Boot = 1

    def __post_init__(self) -> None:
        if len(self.name) > MAX_NAME:
            raise ValueError(f"site and device name together have {len(self.name) - 1} characters")
        if not (urlsplit(self.est_url).port and urlsplit(self.broker_url).port):
            raise ValueError("a port is not within 1 to 65535")

    def __repr__(self) -> str:
        return f"Claim({self.claim_id} for {self.name})"  # a traceback must not tell the secret

    @property
    def name(self) -> str:
        """What the device's certificate says it is: `{site}/{device}`, also its topic levels."""
        return f"{self.site}/{self.device}"

    def text(self) -> str:
        """Return the claim as one word of at most 400 characters. Raises ClaimError."""
        values: dict[str, Any] = msgspec.structs.asdict(self)
        values["est_url"] = self.est_url.removeprefix(EST_SCHEME)
        values["broker_url"] = self.broker_url.removeprefix(BROKER_SCHEME)
        values["ca_sha256"] = bytes.fromhex(self.ca_sha256)
        if self.broker_name == host_of(self.broker_url):
            del values["broker_name"]
        if self.first_boot == 1:
            del values["first_boot"]
        body = cbor2.dumps({KEYS[name]: value for name, value in values.items()})
        data = struct.pack(">I", zlib.crc32(body)) + body
        text = PREFIX + base64.urlsafe_b64encode(data).decode().rstrip("=")
        if len(text) > MAX_CHARACTERS:
            raise ClaimError(
                "the claim is {count} characters, at most {most} fit a QR code; use shorter host "
                "names",
                count=len(text),
                most=MAX_CHARACTERS,
            )
        return text


KEYS = {name: number for number, name in enumerate(Claim.__struct_fields__, 1)}
NAMES = {number: name for name, number in KEYS.items()}


def parse_claim(text: str) -> Claim:
    """Read a claim, alone or in a file's text with `#` lines. Raises ClaimError.

    Whether it has expired is for the caller, who has a clock.
    """
    if len(text) > MAX_FILE_CHARACTERS:
        raise ClaimError("this is no claim: it is far too long; use the file or text of the office")
    lines = (line.strip("\ufeff \t\r") for line in text.split("\n"))
    word = "".join("".join(line.split()) for line in lines if not line.startswith("#"))
    data = decoded(body_of(word))
    if len(data) < 5 or struct.unpack_from(">I", data)[0] != zlib.crc32(data[4:]):
        raise damaged()
    return claim_from(data[4:])


def body_of(word: str) -> str:
    """Return what follows the prefix."""
    found = re.match(r"edge-claim-([0-9]{1,4}):", word)
    if found is None:
        raise ClaimError("this is no claim: a claim begins with '{prefix}'", prefix=PREFIX)
    if found[0] != PREFIX:
        raise ClaimError(
            "the claim is of form {form}, this software reads form 1: use the same version of "
            "edge-runtime here as in the office",
            form=found[1],
        )
    return word[len(PREFIX) :]


def decoded(body: str) -> bytes:
    """Return base64url's bytes."""
    try:
        return base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise damaged() from None


def damaged() -> ClaimError:
    return ClaimError(
        "the claim is cut short or mistyped: copy the whole line, "
        "from 'edge-claim-1:' to its last character, or scan the QR code again"
    )


def claim_from(body: bytes) -> Claim:
    """Turn the CBOR map into a claim: the CRC was right, so a wrong field is the sender's."""
    try:
        raw = cbor2.loads(body)
        values = {NAMES[key]: value for key, value in raw.items()}
        values["ca_sha256"] = values["ca_sha256"].hex()
        values["est_url"] = EST_SCHEME + values["est_url"]
        values["broker_url"] = BROKER_SCHEME + values["broker_url"]
        values.setdefault("broker_name", host_of(values["broker_url"]))
        return msgspec.convert(values, Claim)
    except (cbor2.CBORError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ClaimError(
            "the claim holds what this software does not understand ({what}): use the same version "
            "of edge-runtime here as in the office",
            what=type(error).__name__,
        ) from None


def host_of(url: str) -> str:
    """Return a URL's host as a certificate bears it."""
    return urlsplit(url).hostname or ""
