"""`edge-runtime office`: the CA, claims and enrolment of one broker's devices."""

from __future__ import annotations

import click

from edge_runtime.cli.office.broker import broker
from edge_runtime.cli.office.claim import claim
from edge_runtime.cli.office.devices import devices, events, revoke
from edge_runtime.cli.office.init import init
from edge_runtime.cli.office.serve import serve, sign


@click.group()
def office() -> None:
    """Enrol, list and shut out devices: the office's side of provisioning."""


for command in (init, claim, serve, sign, broker, devices, events, revoke):
    office.add_command(command)
