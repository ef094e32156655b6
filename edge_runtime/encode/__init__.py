"""Records as bytes: topics, JSON, CBOR, and the way back for subscribers."""

from __future__ import annotations

from edge_runtime.encode.encoder import Encoder, RecordTooLargeError, StreamNames
from edge_runtime.topics import Topics

__all__ = ["Encoder", "RecordTooLargeError", "StreamNames", "Topics"]
