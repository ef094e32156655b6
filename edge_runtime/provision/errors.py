"""What may keep a device from being provisioned: what is to be done now depends on which it is."""

from __future__ import annotations

from edge_runtime.errors import EdgeError


class ProvisionError(EdgeError):
    """Provisioning cannot go on."""


class NoLinkError(ProvisionError):
    """The office cannot be reached now, or asks to be asked later."""


class OfficeRefusalError(ProvisionError):
    """The office, which has proved who it is, says no."""
