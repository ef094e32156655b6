"""What provisioning came to, as the person is told it: a line for each proof, and the six words."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from cryptography.x509 import Certificate

from edge_runtime.doctor import Finding
from edge_runtime.enrolment.claim import Claim
from edge_runtime.errors import EdgeError
from edge_runtime.language import Language
from edge_runtime.provision.certificate import day_of, ends_s
from edge_runtime.provision.errors import ProvisionError
from edge_runtime.provision.proof import Proof

SENSES = ("camera", "serial")


class ResultLine(msgspec.Struct, frozen=True):
    """One line of the result. `proven`: None where it has to wait, or is in doubt."""

    label: str
    text: str
    proven: bool | None


class ProvisionOutcome(msgspec.Struct, frozen=True):
    """What provisioning came to. `concerns`: what the checks found besides the five lines."""

    lines: tuple[ResultLine, ...]
    words: str
    concerns: tuple[Finding, ...]

    @property
    def is_proven(self) -> bool:
        """Whether nothing failed; what waits for the link finishes by itself."""
        return all(line.proven is not False for line in self.lines)


class Enrolled(msgspec.Struct, frozen=True):
    """The device's words and certificate; or why there is none yet."""

    words: str
    certificate: Certificate | None
    why: ProvisionError | None = None


class Telling:
    """Makes the lines of one claim's outcome, in a language."""

    def __init__(self, claim: Claim, language: Language) -> None:
        self._claim = claim
        self._language = language

    def outcome(
        self, findings: Sequence[Finding], enrolled: Enrolled, proof: Proof,
        failed: EdgeError | None,
    ) -> ProvisionOutcome:  # fmt: skip
        """Return the lines; `failed`: why the service could not be given its work."""
        senses = self._line_of(self._language.text("camera"), findings, SENSES)
        clock = self._line_of(self._language.text("clock"), findings, ("clock",))
        if enrolled.certificate is None:  # a clock is set over the link, too
            clock = msgspec.structs.replace(clock, proven=None)
        certificate = self._certificate_line(enrolled)
        lines: tuple[ResultLine, ...]
        if failed is None:
            broker = self._broker_line(enrolled, proof)
            lines = (senses, clock, broker, certificate, self._message_line(enrolled, proof))
        else:
            why = failed.localized(self._language)
            service = ResultLine(self._language.text("service"), why, False)
            lines = (senses, clock, certificate, service)
        concerns = tuple(one for one in findings if one.state in ("warning", "failed"))
        return ProvisionOutcome(lines, enrolled.words, concerns)

    def _line_of(
        self, label: str, findings: Sequence[Finding], checks: tuple[str, ...]
    ) -> ResultLine:
        """Sum up some checks; what does not apply is left out where anything else does."""
        found = [one for one in findings if one.check.partition("/")[0] in checks]
        found = [one for one in found if one.state != "skipped"] or found[:1]
        states = {one.state for one in found}
        proven = False if "failed" in states else None if "warning" in states else True
        return ResultLine(label, "; ".join(one.text for one in found), proven)

    def _broker_line(self, enrolled: Enrolled, proof: Proof) -> ResultLine:
        text, name = self._language.text, self._claim.broker_name
        label = text("broker")
        if enrolled.why is not None:
            return ResultLine(label, text("{name}: not asked yet", name=name), None)
        if not proof.acknowledged:
            return ResultLine(label, text("{name}: {why}", name=name, why=proof.reason), False)
        told_text = text("{name} at {address}, by its certificate", name=name, address=proof.broker)
        return ResultLine(label, told_text, True)

    def _certificate_line(self, enrolled: Enrolled) -> ResultLine:
        text = self._language.text
        label, name = text("certificate"), self._claim.name
        if enrolled.certificate is None:
            assert enrolled.why is not None
            waits = text("{name}: waits: {why}", name=name, why=enrolled.why)
            return ResultLine(label, waits, None)
        until = day_of(ends_s(enrolled.certificate))
        return ResultLine(label, text("{name}, until {day}", name=name, day=until), True)

    def _message_line(self, enrolled: Enrolled, proof: Proof) -> ResultLine:
        text = self._language.text
        label = text("first message")
        if enrolled.certificate is None:
            queued = text(
                "queued: results are kept on this board; enrolment and sending go on by "
                "themselves once there is a link"
            )
            return ResultLine(label, queued, None)
        if not proof.acknowledged:
            why = proof.reason
            return ResultLine(label, text("not acknowledged: {why}", why=why), False)
        return ResultLine(label, text("acknowledged by the broker"), True)
