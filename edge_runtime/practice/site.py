"""A site at work: broker, devices, camera, boards with the real daemon, and what hands can do."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path

from edge_runtime.durable import replace_file
from edge_runtime.errors import EdgeError
from edge_runtime.packs.catalogue import bundled_models
from edge_runtime.practice.brokers import broker_command, mosquitto_program
from edge_runtime.practice.exercise import (
    BrokerSetup,
    CameraPower,
    CameraUncover,
    Exercise,
    FreeSky,
    Look,
    NewCertificate,
    PlugIn,
    ServerCertificate,
    StartBroker,
)
from edge_runtime.practice.network_camera import RtspServer
from edge_runtime.practice.places import SiteFolder
from edge_runtime.practice.port_devices import SimulatedDevice
from edge_runtime.practice.processes import PROGRAM, SiteChild
from edge_runtime.practice.relay import LossyRelay
from edge_runtime.practice.values import SiteValues, ensure_parent

LISTENS_WITHIN_S = 20.0
COMMAND_S = 60.0


class PracticeSite:
    """One exercise's site. `start` brings it up, `tend` keeps it so, `close` ends all of it."""

    def __init__(self, exercise: Exercise, folder: SiteFolder) -> None:
        self._exercise = exercise
        self._folder = folder
        self.values = SiteValues.of(folder, one_port=mosquitto_program() is None)
        self._devices = {one.name: SimulatedDevice(one, folder.ports) for one in exercise.devices}
        self._camera = (
            RtspServer(exercise.camera, self.values.camera_port) if exercise.camera else None
        )
        self._brokers: list[SiteChild] = []
        self._boards: list[SiteChild] = []
        self._relay: LossyRelay | None = None

    def start(self) -> None:
        """Write the files and start all that runs at first. Raises EdgeError."""
        self._write_files()
        self._write_certificates()
        for device in self._devices.values():
            device.start()
        if self._camera is not None:
            self._camera.start()
        if self._exercise.broker.running:
            self._start_brokers()
        for command in self._exercise.office_commands:
            self._type([self.values.fill(word) for word in command])
        for number in range(len(self._exercise.boards)):
            self._boards.append(self._board(number))
            self._boards[-1].start()

    def tend(self) -> None:
        """Start anew what systemd would."""
        for child in self._boards:
            child.tend()

    def restart(self) -> None:
        """Do what `sudo systemctl restart edge-runtime` does on the person's board."""
        self._boards[0].stop()
        self._boards[0].start()

    def act(self, name: str) -> None:
        """Do what an action of the exercise does. Raises EdgeError."""
        action = next((one for one in self._exercise.actions if one.name == name), None)
        if action is None:
            raise EdgeError("there is no such action here: {name}", name=name)
        match action.effect:
            case Look():
                pass
            case PlugIn(device=device):
                self._devices[device].port.plug()
            case FreeSky(device=device):
                self._devices[device].free_sky()
            case CameraPower():
                assert self._camera is not None
                self._camera.power_on()
            case CameraUncover():
                assert self._camera is not None
                self._camera.uncover()
            case StartBroker():
                if not self._brokers:
                    self._start_brokers()
            case NewCertificate(certificate=certificate):
                self._renew(certificate)

    def facts(self) -> dict[str, int]:
        """Return what only the site can know."""
        lost = self._relay.facts() if self._relay is not None else {}
        return {"board_ends": self._boards[0].ends, **lost}

    def close(self) -> None:
        """End all that runs."""
        for child in self._boards:
            child.stop()
        if self._relay is not None:
            self._relay.close()
        self._stop_brokers()
        if self._camera is not None:
            self._camera.close()
        for device in self._devices.values():
            device.close()

    def _board(self, number: int) -> SiteChild:
        folder = self._folder
        options = ["--config", str(folder.config(number)), "--state-dir", str(folder.state(number))]
        return SiteChild([*PROGRAM, "run", *options], folder.board_log(number), again=True)

    def _write_files(self) -> None:
        exercise, folder = self._exercise, self._folder
        for pack in exercise.packs:
            copy = ensure_parent(folder.path / pack.path)
            shutil.copytree(bundled_models() / pack.pack, copy)
            if pack.damaged:
                damage(next(copy.glob("*.tflite")))
        for extra in exercise.extras:
            target = ensure_parent(folder.path / extra.path)
            target.write_text(self.values.fill(extra.content))
        for number, board in enumerate(exercise.boards):
            state = folder.state(number)
            state.mkdir(parents=True, exist_ok=True)
            folder.config(number).write_text(self.values.fill(board.config))
            if not board.writable:
                state.chmod(0o500)

    def _write_certificates(self) -> None:
        certificate = self._exercise.broker.certificate
        if certificate is None:
            return
        from edge_runtime.practice.certificates import PracticeAuthority

        old, self._authority = (PracticeAuthority(self._folder.office) for _ in range(2))
        self._authority.issue(certificate)
        for file in self._exercise.broker.ca_files:
            authority = old if file.is_old else self._authority
            ensure_parent(self._folder.path / file.path).write_bytes(authority.pem)

    def _renew(self, certificate: ServerCertificate) -> None:
        self._authority.issue(certificate)
        self._stop_brokers()
        self._start_brokers()

    def _start_brokers(self) -> None:
        setup, values = self._exercise.broker, self.values
        if setup.managed:
            self._start_office()
            return
        if not setup.relayed:
            self._run_broker(setup, values.broker_port, values.office_port)
            return
        self._run_broker(BrokerSetup(), values.broker_port, values.office_port)
        self._run_broker(setup, values.local_port, values.free_port)
        ends = (f"mqtt://127.0.0.1:{port}" for port in (values.local_port, values.broker_port))
        self._relay = LossyRelay(*ends)
        self._relay.start()

    def _run_broker(self, setup: BrokerSetup, port: int, office_port: int) -> None:
        command = broker_command(self._folder.office, setup, port, office_port)
        self._run_server(command, "broker", port)

    def _start_office(self) -> None:
        folder, values = str(self._folder.office / "ca"), self.values
        broker, est = f"127.0.0.1:{values.broker_port}", f"127.0.0.1:{values.est_port}"
        name = ["--broker-name", "broker.practice.example", "--broker-address", broker]
        self._type(["office", "init", "--folder", folder, *name, "--est-address", est])
        self._keep_to_this_machine(self._folder.office / "ca/mosquitto/mosquitto.conf")
        program = str(mosquitto_program())
        serve = [*PROGRAM, "office", "serve", "--folder", folder, "--listen", est]
        self._run_server(serve, "office", values.est_port)
        keep = [*PROGRAM, "office", "broker", "--folder", folder, "--mosquitto", program]
        self._run_server(keep, "broker", values.broker_port)

    def _keep_to_this_machine(self, file: Path) -> None:
        """Have the office's Mosquitto listen on loopback alone.

        Where root practises it stays root's: another user could not read below root's own folder.
        """
        port = self.values.broker_port
        text = file.read_text().replace(f"listener {port}\n", f"listener {port} 127.0.0.1\n")
        replace_file(file, f"{text}user root\n".encode(), mode=0o644)

    def _run_server(self, command: list[str], name: str, port: int) -> None:
        log = self._folder.log / f"{name}.log"
        child = SiteChild(command, log)
        child.start()
        self._brokers.append(child)
        await_port(child, port, log)

    def _stop_brokers(self) -> None:
        for child in reversed(self._brokers):
            child.stop()
        self._brokers.clear()

    def _type(self, words: list[str]) -> None:
        """Run one of the program's commands to its end. Raises EdgeError where it fails."""
        log = self._folder.log / "office.log"
        with log.open("ab") as out:
            done = subprocess.run(
                [*PROGRAM, *words], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                timeout=COMMAND_S, check=False,
            )  # fmt: skip
        # `provision` ends with 1 where no daemon runs yet that could prove the link.
        if done.returncode not in ((0, 1) if words[0] == "provision" else (0,)):
            raise EdgeError(
                "`edge-runtime {words}` failed: see {log}", words=" ".join(words), log=log
            )


def await_port(child: SiteChild, port: int, log: Path) -> None:
    """Wait until a server listens. Raises EdgeError where it does not come to that."""
    deadline_s = time.monotonic() + LISTENS_WITHIN_S
    while time.monotonic() < deadline_s and child.is_alive:
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise EdgeError("a server of the site did not start: see {log}", log=log)


def damage(weights: Path) -> None:
    """Change one bit in the middle of a file, as a worn card does."""
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 0x10
    replace_file(weights, bytes(data), mode=0o644)
