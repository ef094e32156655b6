"""What the timer does every few minutes: finish an enrolment that waits, renew at half-life."""

from __future__ import annotations

from collections.abc import Callable

from edge_runtime.clock import Clock, Stamp
from edge_runtime.enrolment.identity import Files, IdentityFolder, Parts
from edge_runtime.enrolment.keys import key_pem, new_key, request
from edge_runtime.errors import EdgeError
from edge_runtime.language import Language
from edge_runtime.provision.certificate import (
    checked_chain,
    day_of,
    ends_s,
    half_life_s,
    name_of,
    pem,
    read_certificate,
)
from edge_runtime.provision.enrolling import finish
from edge_runtime.provision.errors import ProvisionError
from edge_runtime.provision.est import LIMITS, EstClient, StepLimits

# A certificate that could not be tried yet is kept for so long before another is asked for; and a
# clock that nobody has set, and that may be years ahead, has no certificate renewed more often.
NEW_FOR_S = 86_400.0

Try = Callable[[Files], None]


class Renewal:
    """Looks once. `try_out` connects to the broker with new files; raises LinkError."""

    def __init__(
        self,
        folder: IdentityFolder,
        clock: Clock,
        language: Language,
        try_out: Try,
        limits: StepLimits = LIMITS,
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._language = language
        self._try_out = try_out
        self._limits = limits

    def look(self) -> str:
        """Do what is due and return it as a line. Raises EdgeError; the old identity stays."""
        now = self._clock.now()
        if self._folder.waiting() is not None:
            certificate = finish(self._folder, now, self._limits)
            return self._language.text(
                "enrolled as {name} until {day}",
                name=name_of(certificate),
                day=day_of(ends_s(certificate)),
            )
        files = self._folder.files(now.wall_s)
        if (damage := self._folder.damage()) is not None:
            raise ProvisionError(
                "{damage}; ask the office for a new claim, then run 'edge-runtime provision' with "
                "it",
                damage=damage,
            )
        certificate = read_certificate(files.certificate)
        until = day_of(ends_s(certificate))
        if now.trusted and now.wall_s >= ends_s(certificate):
            raise ProvisionError(
                "the certificate expired on {day}; ask the office for a new claim", day=until
            )
        if now.wall_s < half_life_s(certificate) or (not now.trusted and is_new(files, now)):
            return self._language.text(
                "nothing to do: the certificate of {name} is good until {day}, and is renewed "
                "from {renewed} on",
                name=name_of(certificate),
                day=until,
                renewed=day_of(half_life_s(certificate)),
            )
        return self._renew(files, name_of(certificate), now)

    def _renew(self, files: Files, name: str, now: Stamp) -> str:
        """Get the next identity, or take the one that waits; try it; make it the current one."""
        staged = self._folder.staged()
        if staged is None or not is_new(staged, now):
            staged = self._ask_office(files, name, now)
        try:
            self._try_out(staged)
        except EdgeError as error:
            raise ProvisionError(
                "the broker does not take the new certificate yet, the old one stays: {why}",
                why=error,
            ) from None
        self._folder.swap()
        certificate = read_certificate(self._folder.files().certificate)
        return self._language.text(
            "renewed: the certificate of {name} is good until {day}",
            name=name,
            day=day_of(ends_s(certificate)),
        )

    def _ask_office(self, files: Files, name: str, now: Stamp) -> Files:
        """Get a certificate for a new key, and put both beside the current ones."""
        renewer = self._folder.office()
        office = EstClient(renewer.est_url, clock_trusted=now.trusted, limits=self._limits)
        key = new_key()
        ca = read_certificate(files.ca)
        answer = office.reenroll(request(key, name), files)
        trusted_s = now.wall_s if now.trusted else None
        chain = checked_chain(answer, key.public_key(), name, ca, trusted_s)
        return self._folder.stage(Parts(key_pem(key), pem(chain), pem([ca]), renewer))


def is_new(files: Files, now: Stamp) -> bool:
    """Say whether an identity came within the last day, by the clock that says it is now."""
    return abs(now.wall_s - files.folder.stat().st_mtime) < NEW_FOR_S
