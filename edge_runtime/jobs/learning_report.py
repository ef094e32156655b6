"""What a baseline that was just learnt says to the person who asked for it."""

from __future__ import annotations

from collections.abc import Sequence

from edge_runtime.stream.baseline import Baseline


def describe(baseline: Baseline) -> Sequence[str]:
    """Return a baseline as lines for people."""
    limits = [
        f"alarm {side} {one.limit:.4g}, clear once back at {one.clear:.4g}"
        for side, one in baseline.limits.items()
    ]
    quantiles = ", ".join(f"{name} {value:.4g}" for name, value in baseline.quantiles.items())
    return (
        f"{baseline.stream}: channel {baseline.channel} of {baseline.model}, learnt on "
        f"{baseline.day} from {baseline.windows} values in {baseline.seconds / 60.0:.1f} minutes, "
        f"{baseline.gaps} gaps",
        f"  quantiles: {quantiles}",
        *(f"  {line}" for line in limits),
        f"  past the other half's limit: {baseline.past[0]} and {baseline.past[1]} values",
    )
