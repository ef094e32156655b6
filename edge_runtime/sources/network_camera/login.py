"""How a user name and a password are given to a camera: RFC 7617 (basic), RFC 2617 (digest).

As much of it as FFmpeg knows: a camera that asks for more cannot be opened by it.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Sequence

PARAMETER = re.compile(r'(\w+)\s*=\s*(?:"([^"]*)"|([^\s,"]+))')


def authorization(challenges: Sequence[str], login: str, method: str, target: str) -> str | None:
    """Return the header's value that answers a camera's challenges, digest before basic.

    `login` is `user:password`. None: none of the challenges is one that FFmpeg can answer.
    """
    for challenge in challenges:
        scheme, _, rest = challenge.strip().partition(" ")
        if scheme.lower() == "digest" and (answer := digest(rest, login, method, target)):
            return answer
    if any(one.strip().lower().startswith("basic") for one in challenges):
        return "Basic " + base64.b64encode(login.encode()).decode()
    return None


def digest(challenge: str, login: str, method: str, target: str) -> str | None:
    """Return the answer to a digest challenge; None where it wants another hash, or more."""
    given = {key.lower(): quoted or bare for key, quoted, bare in PARAMETER.findall(challenge)}
    algorithm = given.get("algorithm", "MD5")
    offered = [one.strip() for one in given.get("qop", "").split(",") if one.strip()]
    if algorithm.upper() not in ("MD5", "MD5-SESS") or (offered and "auth" not in offered):
        return None
    user, _, password = login.partition(":")
    realm, nonce = given.get("realm", ""), given.get("nonce", "")
    client_nonce = secrets.token_hex(8)
    secret = md5(user, realm, password)
    if algorithm.upper() == "MD5-SESS":
        secret = md5(secret, nonce, client_nonce)
    request = md5(method, target)
    parts = [f'username="{user}"', f'realm="{realm}"', f'nonce="{nonce}"', f'uri="{target}"']
    if offered:
        response = md5(secret, nonce, "00000001", client_nonce, "auth", request)
        parts += ["qop=auth", "nc=00000001", f'cnonce="{client_nonce}"']
    else:
        response = md5(secret, nonce, request)
    parts.append(f'response="{response}"')
    parts += [f'{key}="{given[key]}"' for key in ("algorithm", "opaque") if key in given]
    return "Digest " + ", ".join(parts)


def schemes(challenges: Sequence[str]) -> str:
    """Return what a camera asks for, as its own few words: `Digest SHA-256`."""
    found = []
    for challenge in challenges:
        scheme = re.match(r"\s*([A-Za-z]{1,20})", challenge)
        algorithm = re.search(r"""algorithm\s*=\s*"?([\w-]{1,20})""", challenge, re.IGNORECASE)
        found.append(" ".join(one[1] for one in (scheme, algorithm) if one is not None))
    return ", ".join(found[:4])


def md5(*parts: str) -> str:
    """Return the hash that RFC 2617 asks for."""
    return hashlib.md5(":".join(parts).encode(), usedforsecurity=False).hexdigest()
