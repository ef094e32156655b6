"""`edge-runtime office`: the CA, claims and enrolment of one broker's devices."""

from __future__ import annotations

import click

from edge_runtime.cli.localized import LocalizedGroup
from edge_runtime.cli.office.broker import broker
from edge_runtime.cli.office.claim import claim
from edge_runtime.cli.office.devices import devices, events, revoke
from edge_runtime.cli.office.init import init
from edge_runtime.cli.office.serve import serve, sign
from edge_runtime.cli.office.status import status
from edge_runtime.language import N_


@click.group(
    cls=LocalizedGroup,
    help=N_("Enrol, list and shut out devices: the office's side of provisioning."),
)
def office() -> None:
    """Enrol, list and shut out devices: the office's side of provisioning."""


for command in (init, status, claim, devices, revoke, events, serve, sign, broker):
    office.add_command(command)
