"""Provisioning from end to end: configuration, checks, enrolment, service, proof."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edge_runtime.clock import Clock
from edge_runtime.doctor import CheckContext, Finding
from edge_runtime.doctor.examine import examine
from edge_runtime.enrolment.claim import Claim
from edge_runtime.enrolment.identity import IdentityFolder, provisioned
from edge_runtime.enrolment.keys import read_key
from edge_runtime.errors import EdgeError, SourceError, Text, UsageError
from edge_runtime.jobs.camera_trial import watched
from edge_runtime.language import Language
from edge_runtime.options import CameraOptions, Config
from edge_runtime.packs.store import PackStore
from edge_runtime.provision import configuration
from edge_runtime.provision.asking import Asker
from edge_runtime.provision.certificate import day_of, read_certificate
from edge_runtime.provision.enrolling import begin, finish, is_done, words_of
from edge_runtime.provision.errors import NoLinkError, OfficeRefusalError, ProvisionError
from edge_runtime.provision.est import LIMITS, StepLimits
from edge_runtime.provision.outcome import Enrolled, ProvisionOutcome, Telling
from edge_runtime.provision.owner import acting_as_owner, in_owners_process, make_state_folder
from edge_runtime.provision.plugged import plugged_in
from edge_runtime.provision.proof import Proof, await_proof, told
from edge_runtime.provision.service import Service
from edge_runtime.provision.streams import CameraTrial, Questions, answered, streams_unasked
from edge_runtime.stream.build import check_all

CHECKS = ("disk", "clock", "camera", "serial", "accelerator")


class ProvisionRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the technician gave. `asker` None: nobody may be asked."""

    claim: Claim
    config_file: Path
    state_dir: Path
    answers: Path | None = None
    asker: Asker | None = None
    wait_s: float = 90.0
    limits: StepLimits = LIMITS


class Written(msgspec.Struct, frozen=True):
    """A configuration's text; what a person has typed of it, and where, for messages about it."""

    text: str
    typed: str
    place: Path | Text


ANSWERS_GIVEN = Text("your answers")


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
        self._service.look()
        make_state_folder(request.state_dir)
        written = self._written()
        with acting_as_owner(request.state_dir):
            config = self._checked(written)
        findings = self._examined(config)
        with acting_as_owner(request.state_dir), self._folder.locked():
            enrolled = self._enrol()
        failed = self._begin_work(written.text)
        proof = Proof(False)
        if failed is None and enrolled.certificate is not None:
            with acting_as_owner(request.state_dir):
                proof = await_proof(request.state_dir, self._clock, request.wait_s)
        telling = Telling(request.claim, self._language)
        return telling.outcome(findings, enrolled, proof, failed)

    def _begin_work(self, text: str) -> EdgeError | None:
        """Write the configuration and start the service; return why that cannot be.

        The claim is used up by now, or waits: the person must get the six words all the same.
        """
        request = self._request
        try:
            configuration.write(request.config_file, text, request.state_dir.stat().st_gid)
            self._service.start()
        except EdgeError as error:
            return error
        return None

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

    def _written(self) -> Written:
        """Return what the configuration is to be; the streams of one that is there stay."""
        request = self._request
        if request.config_file.exists():
            try:
                old = request.config_file.read_text(encoding="utf-8")
            except (OSError, ValueError):
                raise UsageError(
                    "{file}: cannot be read; move it away", file=request.config_file
                ) from None
            new = configuration.updated(old, request.claim, request.config_file)
            return Written(new, new, request.config_file)
        place: Path | Text = request.answers or ANSWERS_GIVEN
        rest = self._asked_for() if request.answers is None else answered(request.answers)
        return Written(configuration.fresh(request.claim, rest), rest, place)

    def _asked_for(self) -> str:
        """Return the streams of what is there, as the person wants them."""
        request = self._request
        with acting_as_owner(request.state_dir):
            plugged, packs = plugged_in(self._root), self._packs.list()
        if request.asker is None:
            return streams_unasked(plugged, packs)
        questions = Questions(plugged, packs, self._language, request.asker, self._try_camera)
        return questions.streams()

    def _try_camera(self, options: CameraOptions) -> CameraTrial:
        """Look at a camera in a process of the owner's: it sends what it likes."""

        def look() -> bytes:
            try:
                seen = CameraTrial(True, watched(options, self._clock).localized(self._language))
            except SourceError as error:
                why = self._language.text("no picture: {reason}", reason=error)
                seen = CameraTrial(False, why)
            return msgspec.json.encode(seen)

        return msgspec.json.decode(
            in_owners_process(self._request.state_dir, look), type=CameraTrial
        )

    def _checked(self, written: Written) -> Config:
        """Check a text with all that it names, as the daemon will. Raises UsageError."""
        reading = configuration.reading_of(
            written.text, self._request.config_file, written.typed, written.place
        )
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
