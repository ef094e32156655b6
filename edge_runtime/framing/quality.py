"""Says of a port that works how well it works."""

from __future__ import annotations

from collections import Counter

from edge_runtime.errors import EMPTY, Text, row
from edge_runtime.framing.rows import FramingCounts, Reason

INTERVAL_S = 10.0
BEARABLE = 0.01  # share of frames; a cable picks up a spark now and then
WORDS: dict[Reason, Text] = {
    "checksum": Text("checksum"),
    "length": Text("length"),
    "parse": Text("parse"),
    "range": Text("range"),
    "unanswered": Text("unanswered"),
    "refused": Text("refused"),
    "late": Text("late"),
}
RATE_TOLERANCE = 0.05  # a sensor's own oscillator without a crystal is no better than 2 %


class Quality:
    """Looks at a tally every ten seconds. `rate_hz`: what should come (0: no fixed rate)."""

    def __init__(self, tally: FramingCounts, rate_hz: float) -> None:
        self._tally = tally
        self._rate_hz = rate_hz
        self.restart(0.0)

    def restart(self, now_s: float) -> None:
        """Begin a new interval: the port was opened."""
        self._text = EMPTY
        self._since_s = now_s
        self._good, self._bad = self._tally.good, Counter(self._tally.bad)

    def notice(self, now_s: float) -> Text:
        """Return what a technician should know of the last interval; empty: nothing."""
        if (passed_s := now_s - self._since_s) >= INTERVAL_S:
            text = self._look(passed_s)
            self.restart(now_s)
            self._text = text
        return self._text

    def _look(self, passed_s: float) -> Text:
        refused = self._tally.bad - self._bad
        good, bad = self._tally.good - self._good, refused.total()
        if bad > BEARABLE * (good + bad):
            return why_bad(good, bad, passed_s, shown(refused))
        wanted = self._rate_hz * passed_s
        if wanted and abs(good - wanted) > RATE_TOLERANCE * wanted + 2:
            return Text(
                "{rate:.4g} samples/s come, not the {wanted:g} of rate_hz; correct rate_hz, or "
                "the sensor's own setting",
                rate=good / passed_s,
                wanted=self._rate_hz,
            )
        return EMPTY


def why_bad(good: int, bad: int, passed_s: float, found: Text) -> Text:
    """Say what comes damaged; where rows do come, the port's settings are right."""
    values = {"bad": bad, "all": good + bad, "seconds": passed_s, "found": found}
    if good:
        return Text(
            "{bad} of {all} frames were refused in {seconds:.0f} s ({found}), though the "
            "settings are right; check cable, shield and earth",
            **values,
        )
    return Text("{bad} of {all} frames were refused in {seconds:.0f} s ({found})", **values)


def shown(bad: Counter[Reason]) -> Text:
    """Return the reasons with their counts, most frequent first."""
    return row([row([WORDS[reason], count], " ") for reason, count in bad.most_common()], ", ")
