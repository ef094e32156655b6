"""Six hostile streams beside two healthy ones: the quick part, and the whole."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hostile_streams import HEALTHY, REASONS, WINDOW_S, Outcome, besiege, said_in_time

# As `edge-runtime run`, but with less patience for a model that loops.
HASTY = (
    "from edge_runtime.infer import isolated\n"
    "isolated.FIRST_RUN_TIMEOUT_S = isolated.RUN_TIMEOUT_S = 5.0\n"
    "from edge_runtime.cli import main\n"
    "main()\n"
)
SECRET = "secret"


def hold(outcome: Outcome) -> None:
    assert set(outcome.reasons) == set(outcome.in_health_s) == set(REASONS)
    assert all(made > 0 for window in outcome.windows for made in window.values()), outcome.windows
    assert outcome.restarts == dict.fromkeys(HEALTHY, 0)
    assert (outcome.holes, outcome.declared) == ([], [])
    assert outcome.most_rss_mb < 250.0
    assert outcome.fed > 0
    assert "standing still" not in outcome.log
    assert outcome.status == 0
    assert outcome.left_behind == []
    assert SECRET not in outcome.log + repr(outcome.reasons)


@pytest.mark.timeout(240)
def test_two_healthy_streams_go_on_beside_six_hostile_ones(tmp_path: Path) -> None:
    program = (sys.executable, "-c", HASTY, "run")
    hold(besiege(tmp_path, deaths=2, window_s=5.0, patience_s=2.0, program=program))


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_whole_of_it(tmp_path: Path) -> None:
    outcome = besiege(tmp_path, deaths=10, window_s=WINDOW_S, patience_s=5.0)
    hold(outcome)
    assert all(said_in_time(outcome, name) for name in REASONS), outcome
