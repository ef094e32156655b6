"""Why a sensor's channel gave no alarm."""

from __future__ import annotations

import math
from collections.abc import Iterator

from edge_runtime.decision_log.evidence import KeptDecisions
from edge_runtime.decision_log.explanation import Explanation
from edge_runtime.errors import Text
from edge_runtime.options import ThresholdOptions


def threshold(options: ThresholdOptions, evidence: KeptDecisions) -> Iterator[Explanation]:
    """Yield why a channel gave no alarm."""
    assert evidence.facts is not None
    channels = evidence.facts.channels
    runs = [
        run
        for run in evidence.channels
        if run.channel < len(channels) and channels[run.channel] == options.channel
    ]
    counted = sum(run.count for run in runs)
    if not counted or sum(run.missing for run in runs) == counted:
        yield Explanation(
            "no_value",
            Text(
                "channel {channel} had no value in that time, so that rule '{rule}' could not tell",
                channel=options.channel,
                rule=options.name,
            ),
            1.0,
        )
        return
    low = min(run.low for run in runs if not math.isnan(run.low))
    high = max(run.high for run in runs if not math.isnan(run.high))
    past = (options.above is not None and high > options.above) or (
        options.below is not None and low < options.below
    )
    limits = ", ".join(
        f"{key} = {value:g}"
        for key, value in (("above", options.above), ("below", options.below))
        if value is not None
    )
    values = {"channel": options.channel, "low": low, "high": high, "rule": options.name}
    if past:
        text = Text(
            "{channel} lay between {low:g} and {high:g}, past a limit of rule '{rule}' ({limits}), "
            "but not for min_s = {min_s:g} s without a break, or within cool_down_s = {cool:g} s, "
            "or the alarm was on already",
            **values,
            limits=limits,
            min_s=options.min_s,
            cool=options.cool_down_s,
        )
        yield Explanation("too_short", text, 0.95)
        return
    text = Text(
        "{channel} lay between {low:g} and {high:g}, within the limits of rule '{rule}' ({limits})",
        **values,
        limits=limits,
    )
    yield Explanation("within_limits", text, 0.8)
