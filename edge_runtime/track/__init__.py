"""Tracks: detections in, objects with ids out."""

from edge_runtime.track.tracker import Tracker, TrackerOutput

__all__ = ["Tracker", "TrackerOutput"]
