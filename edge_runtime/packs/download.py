"""Fetches one URL into a `.part` file over a bad link: resumes, retries, never past its bounds."""

from __future__ import annotations

import errno
import http.client
import random
import re
import ssl
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias
from urllib.error import HTTPError, URLError
from urllib.request import OpenerDirector, Request, build_opener

from edge_runtime import __version__
from edge_runtime.backoff import Backoff
from edge_runtime.clock import Clock
from edge_runtime.errors import EdgeError, RawText, Text, because
from edge_runtime.packs.room import lacking
from edge_runtime.urls import shown_url, without_urls

Progress: TypeAlias = Callable[[int, int | None], None]

CHUNK_BYTES = 1 << 16
LONGEST_WAIT_S = 30.0
RETRIED_STATUS = (408, 425, 429, 500, 502, 503, 504)


class PullError(EdgeError):
    """Weights could not be fetched: the network, the server or the disk."""


class CutError(EdgeError):
    """An attempt ended early; another may go on from where it stopped."""


class Download:
    """One transfer. `tries` bounds the attempts since the file last grew.

    No validator (ETag) is kept for resuming: the caller checks the whole by SHA-256.
    """

    def __init__(
        self,
        url: str,
        part: Path,
        progress: Progress,
        *,
        clock: Clock,
        limit_bytes: int,
        timeout_s: float = 20.0,
        tries: int = 5,
    ) -> None:
        self._url = url
        self._name = shown_url(url)  # a token may stand in the rest
        self._part = part
        self._progress = progress
        self._clock = clock
        self._limit_bytes = limit_bytes
        self._timeout_s = timeout_s
        self._tries = tries
        self._opener: OpenerDirector = build_opener()

    def run(self) -> bool:
        """Fetch until the file is whole. Return whether any of it came from an earlier attempt."""
        backoff = Backoff(1.0, LONGEST_WAIT_S, random.Random())  # noqa: S311  spreads, no secret
        resumed = False
        most = self._have()
        while True:
            resumed = resumed or self._have() > 0
            try:
                self._attempt()
            except CutError as error:
                # A server without Range starts anew each time: only new ground counts.
                if self._have() > most:
                    most = self._have()
                    backoff.reset()
                wait_s = backoff.next_s()
                if backoff.tries >= self._tries:
                    raise PullError(
                        "{file}: {reason}; run the command again", file=self._name, reason=error
                    ) from None
                self._clock.sleep(wait_s)
            else:
                return resumed

    def _attempt(self) -> None:
        have = self._have()
        headers = {"User-Agent": f"edge-runtime/{__version__}"}
        if have:
            headers["Range"] = f"bytes={have}-"
        # The scheme was checked where the manifest was read.
        request = Request(self._url, headers=headers)  # noqa: S310
        try:
            with self._opener.open(request, timeout=self._timeout_s) as response:
                self._receive(response, have)
        except HTTPError as error:
            with error:
                self._refused(error, have)
        except URLError as error:
            raise self._unreachable(error) from None
        except (OSError, http.client.HTTPException) as error:
            raise CutError("the connection broke ({reason})", reason=why_broken(error)) from None

    def _unreachable(self, error: URLError) -> Exception:
        """Return what a failed connection means: gone for good, or worth another attempt."""
        if isinstance(error.reason, FileNotFoundError):
            return PullError("{file}: no such file; correct the URL", file=self._name)
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            why = RawText(error.reason.verify_message)
            return PullError(
                "{file}: the server's certificate is refused ({why}); check this device's clock "
                "and its CA certificates",
                file=self._name,
                why=why,
            )
        return CutError("no connection ({reason})", reason=without_urls(str(error.reason)))

    def _refused(self, error: HTTPError, have: int) -> None:
        """Handle an answer other than 2xx."""
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            if error.headers.get("Content-Range") == f"bytes */{have}":
                return  # all of it was here already
            self._part.unlink()
            raise CutError("what was fetched before does not fit")
        answer = Text("the server answers {status}", status=status_text(error.code))
        if error.code in RETRIED_STATUS:
            raise CutError(answer)
        raise PullError(
            "{file}: {answer}; take the file elsewhere and use 'models import'",
            file=self._name,
            answer=answer,
        )

    def _receive(self, response: Any, have: int) -> None:
        """Append the body to the part file, or start the file anew."""
        done, total = self._place(response, have)
        self._check_room(done, total)
        try:
            file = self._part.open("ab" if done else "wb")
        except OSError as error:
            raise self._disk(error) from None
        with file:
            self._progress(done, total)
            while chunk := response.read1(CHUNK_BYTES):
                done += len(chunk)
                if done > self._limit_bytes:
                    self._part.unlink()
                    raise self._too_large(done)
                self._write(file, chunk)
                self._progress(done, total)
        if total is not None and done < total:
            raise CutError(
                "the connection broke after {count} of {total} bytes", count=done, total=total
            )

    def _write(self, file: BinaryIO, chunk: bytes) -> None:
        # Each piece goes to the system at once, so that a killed command loses none of it. Nobody
        # may have said how many come, and others write to the disk as well.
        try:
            self._leave_room(len(chunk))
            file.write(chunk)
            file.flush()
        except OSError as error:
            raise self._disk(error) from None

    def _leave_room(self, size_bytes: int) -> None:
        """Give the download up, and its room back, where the disk has none to spare."""
        why = lacking(self._part.parent, size_bytes)
        if why:
            self._part.unlink(missing_ok=True)
            raise PullError(why)

    def _place(self, response: Any, have: int) -> tuple[int, int | None]:
        """Return where in the file this body begins, and how long the file is."""
        if response.status != HTTPStatus.PARTIAL_CONTENT:
            length = response.headers["Content-Length"] or ""
            return 0, int(length) if length.isdecimal() else None
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers["Content-Range"] or "")
        if span is None or int(span[1]) != have:
            self._part.unlink(missing_ok=True)
            raise CutError("the server sent another part than the one asked for")
        return have, None if span[2] == "*" else int(span[2])

    def _check_room(self, done: int, total: int | None) -> None:
        """Refuse what is too large for the pack or for the disk before a byte is written."""
        if total is None:
            return
        if total > self._limit_bytes:
            raise self._too_large(total)
        self._leave_room(total - done)

    def _too_large(self, size: int) -> PullError:
        return PullError(
            "{file}: {size} bytes or more, and at most {limit} are allowed; this is not the "
            "pack's file",
            file=self._name,
            size=size,
            limit=self._limit_bytes,
        )

    def _disk(self, error: OSError) -> PullError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            self._part.unlink(missing_ok=True)
        return PullError(
            "{file}: cannot be written ({reason})", file=self._part, reason=because(error)
        )

    def _have(self) -> int:
        try:
            return self._part.stat().st_size
        except FileNotFoundError:
            return 0


def why_broken(error: OSError | http.client.HTTPException) -> str:
    """Return why a connection broke. What http.client cannot read it quotes, also of the URL."""
    text = "" if isinstance(error, http.client.HTTPException) else without_urls(str(error))
    return text or type(error).__name__


def status_text(status: int) -> str:
    """Return an answer in HTTP's own words: urllib's and the server's may repeat a URL."""
    return f"{status} {HTTPStatus(status).phrase}" if status in set(HTTPStatus) else f"{status}"
