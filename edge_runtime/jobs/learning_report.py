"""What a baseline that was just learnt says to the person who asked for it."""

from __future__ import annotations

from collections.abc import Sequence

from edge_runtime.errors import Text
from edge_runtime.language import N_
from edge_runtime.stream.baseline import Baseline, Side

ALARMS: dict[Side, str] = {
    "above": N_("  alarm above {limit:.4g}, clear once back at {clear:.4g}"),
    "below": N_("  alarm below {limit:.4g}, clear once back at {clear:.4g}"),
}


def describe(baseline: Baseline) -> Sequence[Text]:
    """Return a baseline as lines for people."""
    quantiles = ", ".join(f"{name} {value:.4g}" for name, value in baseline.quantiles.items())
    return (
        Text(
            "{stream}: channel {channel} of {model}, learnt on {day} from {count} values in "
            "{minutes:.1f} minutes, {gaps} gaps",
            stream=baseline.stream,
            channel=baseline.channel,
            model=baseline.model,
            day=baseline.day,
            count=baseline.windows,
            minutes=baseline.seconds / 60.0,
            gaps=baseline.gaps,
        ),
        Text("  quantiles: {quantiles}", quantiles=quantiles),
        *(
            Text(ALARMS[side], limit=one.limit, clear=one.clear)
            for side, one in baseline.limits.items()
        ),
        Text(
            "  past the other half's limit: {first} and {second} values",
            first=baseline.past[0],
            second=baseline.past[1],
        ),
    )
