"""The motion gate stays far cheaper than a background model, measured side by side."""

from __future__ import annotations

import cv2

import gate as benchmark


def test_the_gate_costs_a_fraction_of_mog2() -> None:
    threads = cv2.getNumThreads()
    try:
        ours_s, theirs_s = benchmark.measure(60)
    finally:
        cv2.setNumThreads(threads)
    assert ours_s / theirs_s <= benchmark.MOST_OF_MOG2
