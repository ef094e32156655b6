"""What somebody asks: a moment as people write it, a length of time; and the answer in short."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from edge_runtime.decision_log.causes import findings
from edge_runtime.decision_log.evidence import gathered
from edge_runtime.decision_log.explanation import Explanation, Question
from edge_runtime.errors import UsageError
from edge_runtime.hours import zone_of

SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
LENGTH = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])?")
CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")
MOST_ANSWER_BYTES = 400
DEFAULT_LENGTH = "2m"


def asked_moment(text: str, now_s: float, time_zone: str = "") -> float:
    """Return a moment in Unix seconds: "03:12" (the last one), "2026-11-30 03:12", "5m" ago.

    Raises UsageError.
    """
    zone = zone_of(time_zone)
    words = text.strip()
    if (clock := CLOCK.fullmatch(words)) is not None:
        hour, minute, second = (int(one or 0) for one in clock.groups())
        now = datetime.fromtimestamp(now_s, zone)
        try:
            then = now.replace(hour=hour, minute=minute, second=second, microsecond=0)
        except ValueError:
            raise no_moment(text) from None
        return (then - timedelta(days=1) if then > now else then).timestamp()
    if LENGTH.fullmatch(words) is not None and words[-1] in SECONDS:
        return now_s - asked_length_s(words)
    try:
        then = datetime.fromisoformat(words)
    except ValueError:
        raise no_moment(text) from None
    return (then if then.tzinfo else then.replace(tzinfo=zone)).timestamp()


def no_moment(text: str) -> UsageError:
    """Say what a moment looks like."""
    return UsageError(
        "'{text}' is no moment; write 03:12, 2026-11-30 03:12, or how long ago: 5m, 2h", text=text
    )


def asked_length_s(text: str) -> float:
    """Return a length of time in seconds: "90", "10m", "2h". Raises UsageError."""
    found = LENGTH.fullmatch(text.strip())
    if found is None or float(found[1]) <= 0.0:
        raise UsageError("'{text}' is no length of time; write 30s, 10m or 2h", text=text)
    return float(found[1]) * SECONDS[found[2] or "s"]


def asked_span(begin_s: float, length: str, now_s: float) -> tuple[float, float]:
    """Return from when to when is asked, up to now at the latest. Raises UsageError."""
    if begin_s > now_s:
        raise UsageError("that is yet to come; name a moment that is past")
    return begin_s, min(begin_s + asked_length_s(length), now_s)


def answered(
    folder: Path, stream: str, begin_s: float, end_s: float, asked: Question
) -> list[Explanation]:
    """Return why it was so, the cause that explains most first."""
    return findings(gathered(folder, stream, begin_s, end_s), asked)


def short_answer(found: Sequence[Explanation]) -> dict[str, Any]:
    """Return an answer of `MOST_ANSWER_BYTES` as JSON at most: causes, and words in English."""
    causes = list(dict.fromkeys(one.cause for one in found))[:5]
    text = "; ".join(str(one.text) for one in found)
    answer = {"ok": True, "causes": causes, "text": text}
    while (excess := len(msgspec.json.encode(answer)) - MOST_ANSWER_BYTES) > 0 and text:
        text = text[: -max(1, excess // 2)]  # a character is up to six bytes there
        answer["text"] = text.rstrip() + "…"
    return {"causes": causes, "text": answer["text"]}
