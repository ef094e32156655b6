"""What may be wrong with a board, and what to do about it: one table, in the order of the data."""

from __future__ import annotations

from edge_runtime.doctor.base import Check, CheckContext, Finding, State

__all__ = ["CHECKS", "Check", "CheckContext", "Finding", "State"]

# name -> where its function is; imported when it is run, for cameras and engines are heavy.
CHECKS = {
    "configuration": "edge_runtime.doctor.configuration:check_configuration",
    "memory": "edge_runtime.doctor.board:check_memory",
    "power": "edge_runtime.doctor.board:check_power",
    "heat": "edge_runtime.doctor.board:check_heat",
    "card": "edge_runtime.doctor.disk:check_card",
    "disk": "edge_runtime.doctor.disk:check_disk",
    "clock": "edge_runtime.doctor.clock:check_clock",
    "camera": "edge_runtime.doctor.camera:check_cameras",
    "serial": "edge_runtime.doctor.serial_port:check_serial_ports",
    "model": "edge_runtime.doctor.models:check_models",
    "accelerator": "edge_runtime.doctor.models:check_accelerator",
    "network": "edge_runtime.doctor.network:check_network",
    # Also `tls` and `message`: each step needs the one before.
    "broker": "edge_runtime.doctor.broker:check_broker",
    "certificate": "edge_runtime.doctor.certificate:check_certificate",
    "outbox": "edge_runtime.doctor.service:check_outbox",
    "service": "edge_runtime.doctor.service:check_service",
}
