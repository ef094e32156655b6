"""Provisioning against a real office: done once, begun without a link, refused, taken up again."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from edge_runtime.cli.provision import provision as provision_command
from edge_runtime.clock import Clock
from edge_runtime.config import load
from edge_runtime.daemon.status_socket import StatusSocket
from edge_runtime.enrolment.claim import Claim, ClaimError
from edge_runtime.enrolment.identity import IdentityFolder
from edge_runtime.enrolment.keys import read_key, request
from edge_runtime.enrolment.messages import csr_body
from edge_runtime.errors import ConfigError, PackError, UsageError
from edge_runtime.language import Code, Language
from edge_runtime.office.claims import listed
from edge_runtime.office.folder import OfficeFolder
from edge_runtime.office.listing import all_devices
from edge_runtime.outbox.health import OutboxHealth
from edge_runtime.outbox.marks import Marks
from edge_runtime.packs.catalogue import bundled_models
from edge_runtime.packs.store import PackStore
from edge_runtime.provision.claims import read_claim
from edge_runtime.provision.decommission import Decommission
from edge_runtime.provision.enrolling import begin, finish, is_done
from edge_runtime.provision.errors import OfficeRefusalError, ProvisionError
from edge_runtime.provision.flow import Provisioning, ProvisionRequest
from edge_runtime.provision.outcome import ProvisionOutcome
from edge_runtime.provision.proof import Proof, proof_of
from edge_runtime.provision.renewal import Renewal
from edge_runtime.provision.service import SERVICE, TIMER, NoService, Systemd
from support.broker import free_port
from support.office import EstTestClient, enrolment_of, est_server
from support.provisioning import claim_at
from support.publishing import BoardClock
from support.waiting import until

STREAMS = """\
[[streams]]
name = "road"
source = { kind = "synthetic" }
model = { pack = "village-road" }
"""
NOW = BoardClock().now()


class Units:
    """Notes what systemctl is asked to do; it fails where a test says so.

    `loaded`: whether the service's unit is there; None: systemd is not.
    """

    def __init__(self, failing: str = "", *, loaded: bool | None = True) -> None:
        self.asked: list[str] = []
        self._failing = failing
        self._loaded = loaded

    def __call__(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        if "show" in command:
            said = "loaded\n" if self._loaded else "not-found\n"
            return subprocess.CompletedProcess(list(command), int(self._loaded is None), said, "")
        self.asked.append(" ".join(command))
        failed = bool(self._failing) and self._failing in command
        said = "Job failed.\nSee journalctl" if failed else ""
        return subprocess.CompletedProcess(list(command), int(failed), "", said)


def provision(
    claim: Claim, folder: Path, *, units: Units | None = None, lang: Code = "en",
    streams: str = STREAMS, clock: Clock | None = None,
) -> ProvisionOutcome:  # fmt: skip
    """Provision a board that nobody runs a daemon on."""
    folder.mkdir(exist_ok=True)
    (folder / "answers.toml").write_text(streams)
    request = ProvisionRequest(
        claim=claim,
        config_file=folder / "etc" / "edge-runtime.toml",
        state_dir=folder / "state",
        answers=folder / "answers.toml",
        wait_s=0.0,
    )
    return Provisioning(
        request,
        packs=PackStore(folder / "state", bundled_models()),
        clock=clock or BoardClock(),
        language=Language(lang),
        service=Systemd(units or Units()),
        root=folder / "root",
    ).run()


def words_of(office: OfficeFolder, device: str) -> str:
    devices = all_devices(office.registry, NOW.wall_s)
    return next(one.words for one in devices if one.device == device)


def test_a_board_is_enrolled_configured_and_started(
    office: OfficeFolder, est: EstTestClient, tmp_path: Path
) -> None:
    units = Units()
    outcome = provision(claim_at(office, "one", est.port), tmp_path, units=units)
    assert IdentityFolder(tmp_path / "state").is_enrolled
    assert 'identity = "provisioned"' in (tmp_path / "etc/edge-runtime.toml").read_text()
    assert units.asked == [
        f"systemctl enable {SERVICE} {TIMER}",
        f"systemctl restart {SERVICE}",
        f"systemctl start {TIMER}",
    ]
    labels = ["camera", "clock", "broker", "certificate", "first message"]
    assert [line.label for line in outcome.lines] == labels
    assert outcome.lines[3].text.startswith("hill/one, until ")
    assert outcome.words == words_of(office, "one")
    assert not outcome.is_proven, "nobody runs the daemon: nothing was acknowledged"
    assert "the daemon does not run" in outcome.lines[4].text


def test_a_second_run_with_the_same_claim_goes_on_where_the_first_one_ended(
    office: OfficeFolder, est: EstTestClient, tmp_path: Path
) -> None:
    claim = claim_at(office, "again", est.port)
    first = provision(claim, tmp_path)
    key = IdentityFolder(tmp_path / "state").files().key
    second = provision(claim, tmp_path)
    assert second.words == first.words
    assert IdentityFolder(tmp_path / "state").files().key == key


def test_a_claim_that_was_used_gives_nothing_to_another_board(
    office: OfficeFolder, est: EstTestClient, tmp_path: Path
) -> None:
    claim = claim_at(office, "twice", est.port)
    provision(claim, tmp_path / "right")
    units = Units()
    with pytest.raises(OfficeRefusalError, match="used already, with another key"):
        provision(claim, tmp_path / "thief", units=units)
    folder = IdentityFolder(tmp_path / "thief" / "state")
    assert not folder.is_enrolled
    assert folder.waiting() is None, "asking again would be refused again"
    assert not (tmp_path / "thief" / "etc").exists()
    assert units.asked == []


@pytest.mark.parametrize(
    ("streams", "error", "said"),
    [
        ("[[streams]]\n", ConfigError, r"streams\[0\]\.name: missing; add it"),
        (STREAMS.replace("village-road", "village-rode"), PackError, "no such model pack"),
    ],
)
def test_what_is_wrong_here_costs_no_claim(
    office: OfficeFolder, est: EstTestClient, tmp_path: Path, streams: str,
    error: type[UsageError], said: str,
) -> None:  # fmt: skip
    claim = claim_at(office, "careful", est.port)
    with pytest.raises(error, match=said):
        provision(claim, tmp_path, streams=streams)
    states = {one.claim_id: one.state for one in listed(office.registry, NOW.wall_s)}
    assert states[claim.claim_id] == "open"


def test_without_a_link_all_is_prepared_and_finishes_by_itself(
    office: OfficeFolder, tmp_path: Path
) -> None:
    units = Units()
    claim = claim_at(office, "far", free_port())
    outcome = provision(claim, tmp_path, units=units, lang="vi")
    assert outcome.is_proven
    assert [line.proven for line in outcome.lines[1:]] == [None] * 4
    assert f"systemctl restart {SERVICE}" in units.asked
    folder = IdentityFolder(tmp_path / "state")
    assert "cannot be reached" in folder.why_not_enrolled(NOW.wall_s)

    with est_server(office) as est:  # the link comes back: at another port, in this test
        waiting = folder.waiting()
        assert waiting is not None
        moved = msgspec.structs.replace(claim, est_url=f"https://127.0.0.1:{est.port}")
        folder.begin(
            msgspec.structs.replace(waiting, claim=moved.text()), folder.pending_key.read_bytes()
        )
        said = Renewal(folder, BoardClock(), Language("en"), lambda _files: None).look()
    assert said.startswith("enrolled as hill/far until ")
    assert folder.is_enrolled
    assert folder.waiting() is None
    assert words_of(office, "far") == outcome.words, "the words that were read aloud hold"


def test_an_answer_that_was_lost_is_asked_for_again(
    office: OfficeFolder, est: EstTestClient, tmp_path: Path
) -> None:
    claim = claim_at(office, "lost", est.port)
    folder = IdentityFolder(tmp_path)
    begin(folder, claim)
    body = csr_body(request(read_key(folder.pending_key), claim.name))
    lost = enrolment_of(office).by_claim(claim.claim_id, claim.secret, body, NOW.wall_s)
    assert finish(folder, NOW) == lost


def test_what_a_bad_card_damaged_can_be_provisioned_again(
    office: OfficeFolder, est: EstTestClient, tmp_path: Path
) -> None:
    folder = IdentityFolder(tmp_path)
    claim = claim_at(office, "card", est.port)
    begin(folder, claim)
    for damaged in ("pending.key", "pending.json"):
        (folder.folder / damaged).write_bytes(b"?")
        assert not is_done(folder, claim)
        words = begin(folder, claim)
    finish(folder, NOW)
    assert words_of(office, "card") == words
    (folder.folder / "current" / "office.json").write_bytes(b"?")
    assert not is_done(folder, claim)


def test_a_power_cut_right_after_the_swap_needs_no_office(
    office: OfficeFolder, est: EstTestClient, tmp_path: Path
) -> None:
    claim = claim_at(office, "cut", est.port)
    folder = IdentityFolder(tmp_path)
    begin(folder, claim)
    waiting, key = folder.waiting(), folder.pending_key.read_bytes()
    assert waiting is not None
    certificate = finish(folder, NOW)
    unreachable = msgspec.structs.replace(claim, est_url=f"https://127.0.0.1:{free_port()}")
    folder.begin(msgspec.structs.replace(waiting, claim=unreachable.text()), key)
    assert finish(folder, NOW) == certificate
    assert folder.waiting() is None


def test_an_expired_claim_is_told_before_anything_is_done(
    office: OfficeFolder, est: EstTestClient, tmp_path: Path
) -> None:
    claim = claim_at(office, "late", est.port, lasts_s=-1.0)
    with pytest.raises(ProvisionError, match="the claim expired on"):
        provision(claim, tmp_path)
    assert not (tmp_path / "state").exists()
    # A clock that nobody has set judges nothing; the office does.
    with pytest.raises(OfficeRefusalError, match="has expired"):
        provision(claim, tmp_path, clock=BoardClock(trusted=False))


def test_a_service_that_does_not_start_is_said_beside_the_six_words(
    office: OfficeFolder, est: EstTestClient, tmp_path: Path
) -> None:
    outcome = provision(claim_at(office, "sick", est.port), tmp_path, units=Units("restart"))
    assert not outcome.is_proven
    assert [line.label for line in outcome.lines] == ["camera", "clock", "certificate", "service"]
    assert re.match(r"'systemctl restart .*' failed: Job failed\.; `jou", outcome.lines[-1].text)
    assert outcome.words == words_of(office, "sick"), "the claim is used up: they are needed"


@pytest.mark.parametrize(
    ("loaded", "said"),
    [(None, "systemd does not run here"), (False, "edge-runtime.service is not installed")],
)
def test_without_the_service_s_unit_the_claim_stays_good(
    office: OfficeFolder, est: EstTestClient, tmp_path: Path, loaded: bool | None, said: str
) -> None:
    claim = claim_at(office, "no-systemd", est.port)
    with pytest.raises(ProvisionError, match=f"{said}.*the claim was not used.*--no-service"):
        provision(claim, tmp_path, units=Units(loaded=loaded))
    states = {one.claim_id: one.state for one in listed(office.registry, NOW.wall_s)}
    assert states[claim.claim_id] == "open"
    assert not (tmp_path / "state").exists()


def test_a_fault_in_the_answers_names_their_file_and_line(tmp_path: Path) -> None:
    streams = STREAMS + 'rules = [{ kind = "zone", name = "a", poly = 1 }]\n'
    with pytest.raises(ConfigError) as caught:
        provision(CLAIM, tmp_path, streams=streams)
    said = str(caught.value)
    assert said.startswith(f"{tmp_path / 'answers.toml'}: line 5: streams[0].rules[0].")
    assert "edge-runtime.toml" not in said


@pytest.mark.parametrize(
    ("link", "proof"),
    [
        (None, Proof(False, reason="the daemon does not run")),
        (
            {"state": "waiting", "reason": "no answer", "last_ack_s": None, "broker": ""},
            Proof(False, "", "no answer"),
        ),
        (
            {"state": "connected", "reason": "connected to b:1 by MQTT 5", "last_ack_s": 1.0,
             "broker": "b:1"},
            Proof(True, "b:1"),
        ),
        (
            {"state": "connected", "reason": "connected, but the broker refuses status messages",
             "last_ack_s": 1.0, "broker": "b:1"},
            Proof(False, "b:1", "connected, but the broker refuses status messages"),
        ),
    ],
)  # fmt: skip
def test_a_broker_that_refuses_proves_nothing(link: dict[str, object] | None, proof: Proof) -> None:
    assert proof_of(None if link is None else {"link": link}) == proof


ANSWER = {
    "pid": 1, "version": "0.1.0", "boot": 1, "state": "ok", "clock": "synced", "streams": {},
    "outbox": msgspec.to_builtins(
        OutboxHealth("ok", "", 0, 0, 0, 1, None, 0, 0, 0, 0)
    ),
    "link": {"state": "stopped", "reason": "", "since_s": 0.0},
    "uplink": {"day": "", "bytes": 0, "by_kind": {}},
}  # fmt: skip
CLAIM = Claim(
    "hill", "gate", "https://o:1", "mqtts://b:1", "b", "0" * 64, "id", "secret", 2_000_000_000
)


def test_a_claim_comes_from_a_file_or_from_standard_input(tmp_path: Path) -> None:
    text = f"# for the gate\n{CLAIM.text()}\n"
    file = tmp_path / "edge-claim-gate.txt"
    file.write_text(text)
    assert read_claim(str(file)) == CLAIM
    program = "from edge_runtime.provision.claims import *; print(read_claim('-').name)"
    done = subprocess.run(
        [sys.executable, "-c", program], input=text, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "hill/gate\n"
    file.write_text(CLAIM.text()[:-5])
    with pytest.raises(ClaimError, match="cut short or mistyped"):
        read_claim(str(file))
    with pytest.raises(UsageError, match="the claim cannot be read"):
        read_claim(str(tmp_path / "none"))


def test_a_claim_in_the_command_itself_is_refused_and_not_repeated() -> None:
    done = CliRunner().invoke(provision_command, ["--claim", CLAIM.text(), "--lang", "en"])
    assert done.exit_code == 2
    assert "type --claim - and paste the claim" in done.stderr
    assert CLAIM.text()[20:40] not in done.output


def test_without_a_link_the_end_wipes_all_the_same_and_says_what_is_left(
    office: OfficeFolder, est: EstTestClient, tmp_path: Path
) -> None:
    provision(claim_at(office, "gone", est.port), tmp_path)
    state = tmp_path / "state"
    kept = ["models/pack/weights", "outbox.mark", "outbox/boot"]
    for name in [*kept, "outbox/results.sqlite", "recordings/a/frame", "last-good.toml"]:
        (state / name).parent.mkdir(parents=True, exist_ok=True)
        (state / name).write_text("x")
    Marks(state / "outbox.mark").begin(7, {5: 100, 7: 200})
    units = Units()

    done = Decommission(
        state, clock=BoardClock(), language=Language("en"), service=Systemd(units)
    ).run(lambda: load(tmp_path / "etc/edge-runtime.toml"))
    assert units.asked == [f"systemctl disable --now {TIMER} {SERVICE}"]
    assert not done.is_whole
    assert "stay on the broker" in done.lines[0]
    assert "edge-runtime office revoke hill/gone" in done.lines[0]
    left = [str(path.relative_to(state)) for path in state.rglob("*") if path.is_file()]
    assert sorted(left) == kept, "the counters that name results, and packs"
    marks = Marks(state / "outbox.mark")
    assert (marks.boot, marks.last_seqs) == (7, {}), "the next name owes nothing of this one's"


def test_a_daemon_that_runs_is_not_wiped_away_from_under_it(tmp_path: Path) -> None:
    alive = StatusSocket(tmp_path, lambda: ANSWER)
    alive.start()
    try:
        until((tmp_path / "status.sock").exists, "a daemon that answers")
        parting = Decommission(
            tmp_path, clock=BoardClock(), language=Language("en"), service=NoService()
        )
        with pytest.raises(ProvisionError, match="the daemon still runs on"):
            parting.run(lambda: pytest.fail("nothing is read"))
    finally:
        alive.close()
