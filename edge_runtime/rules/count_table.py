"""What a counted track stands for: made by `tests/benchmarks/count_bounds.py --write`."""

from __future__ import annotations

# By how a track looked and how often the stream looks: how many things it stands for, and the
# variance of that.
BY_KIND: dict[tuple[str, str], tuple[float, float]] = {
    ("brief", "slow"): (1.026, 0.362),
    ("brief", "fast"): (0.589, 0.112),
    ("faint", "slow"): (1.192, 0.271),
    ("faint", "fast"): (0.902, 0.286),
    ("resumed", "slow"): (0.234, 0.765),
    ("resumed", "fast"): (0.017, 0.237),
    ("inside", "slow"): (1.037, 0.573),
    ("inside", "fast"): (0.923, 0.212),
    ("crowded", "slow"): (1.078, 0.121),
    ("crowded", "fast"): (1.107, 0.194),
    ("clear", "slow"): (1.129, 0.208),
    ("clear", "fast"): (1.018, 0.000),
}
# Of an interval, whatever was counted in it; and how far whole scenes differ, as a share.
INTERVAL_VARIANCE: dict[str, float] = {"slow": 0.245, "fast": 0.178}
VARYING_SHARE = 0.000
# So many standard deviations hold 90 %.
SIGMAS = 1.03
