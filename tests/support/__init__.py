"""Helpers shared by the suites: real sockets and real packets, nothing patched."""
