"""Provisioning from end to end: configuration, checks, enrolment, service, proof."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from cryptography.x509 import Certificate

from edge_runtime.clock import Clock
from edge_runtime.doctor import CheckContext, Finding
from edge_runtime.doctor.examine import examine
from edge_runtime.enrolment.claim import Claim
from edge_runtime.enrolment.identity import IdentityFolder, provisioned
from edge_runtime.enrolment.keys import read_key
from edge_runtime.errors import UsageError
from edge_runtime.language import Language
from edge_runtime.options import Config
from edge_runtime.packs.store import PackStore
from edge_runtime.provision import configuration
from edge_runtime.provision.certificate import day_of, ends_s, read_certificate
from edge_runtime.provision.enrolling import begin, finish, is_done, words_of
from edge_runtime.provision.errors import NoLinkError, OfficeRefusalError, ProvisionError
from edge_runtime.provision.est import LIMITS, StepLimits
from edge_runtime.provision.owner import acting_as_owner, in_owners_process, make_state_folder
from edge_runtime.provision.proof import Proof, await_proof, told
from edge_runtime.provision.service import Service
from edge_runtime.provision.streams import Ask, Questions, answered, plugged_in
from edge_runtime.stream.build import check_all

CHECKS = ("disk", "clock", "camera", "serial", "accelerator")
SENSES = ("camera", "serial")


class ProvisionRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the technician gave. `ask` None: nobody may be asked."""

    claim: Claim
    config_file: Path
    state_dir: Path
    answers: Path | None = None
    ask: Ask | None = None
    wait_s: float = 90.0
    limits: StepLimits = LIMITS


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


class Provisioning:
    """Provisions one board. Raises EdgeError where it cannot go on."""

    def __init__(
        self,
        request: ProvisionRequest,
        *,
        packs: PackStore,
        clock: Clock,
        language: Language,
        service: Service,
        root: Path = Path("/"),
    ) -> None:
        self._request = request
        self._packs = packs
        self._clock = clock
        self._language = language
        self._service = service
        self._root = root
        self._folder = IdentityFolder(request.state_dir)

    def run(self) -> ProvisionOutcome:
        """Do it all. The claim is shown to nobody before all that is local has proved right."""
        request = self._request
        with acting_as_owner(request.state_dir):
            self._refuse_expired()
        make_state_folder(request.state_dir)
        text = self._text()
        with acting_as_owner(request.state_dir):
            config = self._checked(text)
        findings = self._examined(config)
        with acting_as_owner(request.state_dir), self._folder.locked():
            enrolled = self._enrol()
        configuration.write(request.config_file, text, request.state_dir.stat().st_gid)
        self._service.start()
        proof = Proof(False)
        if enrolled.certificate is not None:
            with acting_as_owner(request.state_dir):
                proof = await_proof(request.state_dir, self._clock, request.wait_s)
        return self._outcome(findings, enrolled, proof)

    def _examined(self, config: Config) -> tuple[Finding, ...]:
        """Look at the board in a process of the owner's: cameras send what they like."""

        def look() -> bytes:
            return msgspec.json.encode(list(examine(self._check_context(config), CHECKS)))

        told_by_checks = in_owners_process(self._request.state_dir, look)
        return msgspec.json.decode(told_by_checks, type=tuple[Finding, ...])

    def _refuse_expired(self) -> None:
        now, claim = self._clock.now(), self._request.claim
        if now.trusted and now.wall_s >= claim.expires_at and not is_done(self._folder, claim):
            raise ProvisionError(
                "the claim expired on {day}; ask the office for a new one",
                day=day_of(claim.expires_at),
            )

    def _text(self) -> str:
        """Return what the configuration is to be; the streams of one that is there stay."""
        request = self._request
        if request.config_file.exists():
            try:
                old = request.config_file.read_text(encoding="utf-8")
            except (OSError, ValueError):
                raise UsageError(
                    "{file}: cannot be read; move it away", file=request.config_file
                ) from None
            return configuration.updated(old, request.claim, request.config_file)
        if request.answers is not None:
            return configuration.fresh(request.claim, answered(request.answers))
        with acting_as_owner(request.state_dir):
            questions = Questions(plugged_in(self._root), self._packs, self._language, request.ask)
            return configuration.fresh(request.claim, questions.stream())

    def _checked(self, text: str) -> Config:
        """Check a text with all that it names, as the daemon will. Raises UsageError."""
        file = self._request.config_file
        reading = configuration.reading_of(text, file)
        config, _ = check_all(reading, self._packs, self._clock)
        return config

    def _check_context(self, config: Config) -> CheckContext:
        request = self._request
        return CheckContext(
            language=self._language,
            state_dir=request.state_dir,
            config=provisioned(config, request.state_dir),
            config_file=request.config_file,
            daemon=told(request.state_dir),
            clock=self._clock,
            root=self._root,
        )

    def _enrol(self) -> Enrolled:
        """Exchange the claim; what cannot be done without a link waits for one."""
        folder, request = self._folder, self._request
        if is_done(folder, request.claim):
            files = folder.files()
            return Enrolled(words_of(read_key(files.key)), read_certificate(files.certificate))
        words = begin(folder, request.claim)
        try:
            return Enrolled(words, finish(folder, self._clock.now(), request.limits))
        except NoLinkError as error:
            return Enrolled(words, None, error)
        except OfficeRefusalError:
            folder.end_waiting()  # asking again would be refused again
            raise

    def _outcome(
        self, findings: Sequence[Finding], enrolled: Enrolled, proof: Proof
    ) -> ProvisionOutcome:  # fmt: skip
        lines = (
            self._line_of(self._language.text("camera"), findings, SENSES),
            self._line_of(self._language.text("clock"), findings, ("clock",)),
            self._broker_line(enrolled, proof),
            self._certificate_line(enrolled),
            self._message_line(enrolled, proof),
        )
        if enrolled.certificate is None:  # a clock is set over the link, too
            lines = (lines[0], msgspec.structs.replace(lines[1], proven=None), *lines[2:])
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
        text, name = self._language.text, self._request.claim.broker_name
        label = text("broker")
        if enrolled.why is not None:
            return ResultLine(label, text("{name}: not asked yet", name=name), None)
        if not proof.acknowledged:
            return ResultLine(label, text("{name}: {why}", name=name, why=proof.reason), False)
        told_text = text("{name} at {address}, by its certificate", name=name, address=proof.broker)
        return ResultLine(label, told_text, True)

    def _certificate_line(self, enrolled: Enrolled) -> ResultLine:
        text = self._language.text
        label, name = text("certificate"), self._request.claim.name
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
