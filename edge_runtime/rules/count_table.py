"""What a counted track stands for: made by `tests/benchmarks/count_bounds.py --write`."""

from __future__ import annotations

# By how a track looked and how often the stream looks: how many things it stands for, and the
# variance of that.
BY_KIND: dict[tuple[str, str], tuple[float, float]] = {
    ("resumed", "slow"): (0.163, 0.926),
    ("resumed", "fast"): (0.048, 0.344),
    ("brief", "slow"): (0.926, 0.187),
    ("brief", "fast"): (0.524, 0.228),
    ("faint", "slow"): (1.234, 0.524),
    ("faint", "fast"): (0.838, 0.155),
    ("inside", "slow"): (1.040, 0.407),
    ("inside", "fast"): (0.889, 0.190),
    ("crowded", "slow"): (1.017, 0.046),
    ("crowded", "fast"): (1.028, 0.024),
    ("clear", "slow"): (1.101, 0.176),
    ("clear", "fast"): (1.031, 0.060),
}
# Of an interval, whatever was counted in it; and how far whole scenes differ, as a share.
INTERVAL_VARIANCE: dict[str, float] = {"slow": 0.215, "fast": 0.064}
VARYING_SHARE = 0.000
# So many standard deviations hold 90 %.
SIGMAS = 1.02
