"""What is measured to judge an exercise: each condition is held against the evidence of a check.

A condition says what must be so; `fault` says in words, with what was measured, why it is not.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from edge_runtime.errors import RawText, Text, row
from edge_runtime.options.base import Kind
from edge_runtime.practice.evidence import Evidence

MOST_SHOWN = 6


class ReadingArrives(Kind, frozen=True, tag="reading"):
    """Readings of a stream reach the office, with a channel within low..high."""

    stream: str
    channel: str
    low: float
    high: float
    at_least: int = 1

    def fault(self, evidence: Evidence) -> Text | None:
        """Return what is wrong; None: nothing."""
        came = evidence.values(self.stream, self.channel)
        good = [value for value in came if self.low <= value <= self.high]
        if len(good) >= self.at_least and len(good) * 2 > len(came):
            return None
        if not came:
            return Text(
                "in {seconds:.0f} s no value of '{channel}' of the stream '{stream}' reached the "
                "office",
                seconds=evidence.listened_s,
                channel=self.channel,
                stream=self.stream,
            )
        return Text(
            "'{channel}' of the stream '{stream}' reaches the office as {values}: that cannot be",
            channel=self.channel,
            stream=self.stream,
            values=", ".join(f"{value:g}" for value in came[-MOST_SHOWN:]),
        )


class EventArrives(Kind, frozen=True, tag="event"):
    """Events reach the office: of a stream, a rule (any), an object's label (any)."""

    stream: str
    event: str
    rule: str = ""
    label: str = ""

    def fault(self, evidence: Evidence) -> Text | None:
        """Return what is wrong; None: nothing."""
        came = evidence.events(self.stream)
        for one in came:
            label = (one.get("object") or {}).get("label", "")
            if (
                one.get("event") == self.event
                and self.rule in ("", one.get("rule"))
                and self.label in ("", label)
            ):
                return None
        shown = ", ".join(sorted({str(one.get("event")) for one in came}))
        return Text(
            "in {seconds:.0f} s no event '{event}' that is wanted came from the stream '{stream}' "
            "(came: {came})",
            seconds=evidence.listened_s,
            event=self.event,
            stream=self.stream,
            came=shown or Text("nothing"),
        )


class RecordArrives(Kind, frozen=True, tag="record"):
    """Records of a kind, such as `detections`, reach the office."""

    stream: str
    record: str
    at_least: int = 1

    def fault(self, evidence: Evidence) -> Text | None:
        """Return what is wrong; None: nothing."""
        count = sum(1 for _ in evidence.of(self.stream, self.record))
        if count >= self.at_least:
            return None
        return Text(
            "in {seconds:.0f} s {count} records '{record}' of the stream '{stream}' reached the "
            "office; expected: {wanted}",
            seconds=evidence.listened_s,
            count=count,
            record=self.record,
            stream=self.stream,
            wanted=self.at_least,
        )


class ArrivesSoon(Kind, frozen=True, tag="soon"):
    """Records of a stream are at most so old when they reach the office."""

    stream: str
    within_s: float

    def fault(self, evidence: Evidence) -> Text | None:
        """Return what is wrong; None: nothing."""
        ages = evidence.ages_s(self.stream)
        if ages and max(ages) <= self.within_s:
            return None
        if not ages:
            return Text(
                "in {seconds:.0f} s nothing of the stream '{stream}' reached the office",
                seconds=evidence.listened_s,
                stream=self.stream,
            )
        return Text(
            "results of the stream '{stream}' are up to {age:.0f} s old when they reach the "
            "office; wanted: {wanted:g} s at most",
            stream=self.stream,
            age=max(ages),
            wanted=self.within_s,
        )


class DevicesArrive(Kind, frozen=True, tag="devices"):
    """So many devices send, each under a name of its own, and none is thrown out."""

    count: int
    stream: str

    def fault(self, evidence: Evidence) -> Text | None:
        """Return what is wrong; None: nothing."""
        names = sorted({one.device for one in evidence.of(self.stream, "")})
        if len(names) < self.count:
            return Text(
                "in {seconds:.0f} s {count} boards sent results; expected: {wanted} ({names})",
                seconds=evidence.listened_s,
                count=len(names),
                wanted=self.count,
                names=", ".join(names),
            )
        return None


class LinkHolds(Kind, frozen=True, tag="link"):
    """The board is connected, stays so, and what it sends is acknowledged."""

    def fault(self, evidence: Evidence) -> Text | None:
        """Return what is wrong; None: nothing."""
        before, after = evidence.status_before, evidence.status
        if after is None:
            return Text("the board's daemon does not run")
        link = after["link"]
        if link["state"] != "connected" or link["last_ack_s"] is None:
            return Text("the board is not connected: {reason}", reason=link["reason"])
        old_ack_s = before["link"]["last_ack_s"] if before is not None else None
        if link["last_ack_s"] == old_ack_s or link["since_s"] < evidence.listened_s / 2:
            return Text(
                "the board is connected for {seconds:.0f} s, but nothing new was acknowledged, or "
                "the link broke meanwhile: check again in a few seconds",
                seconds=link["since_s"],
            )
        return None


class DoctorAgrees(Kind, frozen=True, tag="doctor"):
    """The doctor finds a check in one of the states."""

    check: str
    states: tuple[Literal["ok", "warning", "failed", "skipped"], ...] = ("ok",)

    def fault(self, evidence: Evidence) -> Text | None:
        """Return what is wrong; None: nothing."""
        found = [one for one in evidence.findings if one.of(self.check)]
        bad = [one for one in found if one.state not in self.states]
        if found and not bad:
            return None
        told = row([RawText(one.text) for one in bad] or [Text("nothing")])
        return Text("the doctor says on '{check}': {told}", check=self.check, told=told)


class OutboxLasts(Kind, frozen=True, tag="outbox-lasts"):
    """At the present rate the outbox would hold so many hours without a link."""

    hours: float

    def fault(self, evidence: Evidence) -> Text | None:
        """Return what is wrong; None: nothing."""
        before, after = evidence.status_before, evidence.status
        if before is None or after is None:
            return Text("the board's daemon does not run")
        grown = after["outbox"]["bytes_used"] - before["outbox"]["bytes_used"]
        free = after["outbox"]["bytes_limit"] - after["outbox"]["bytes_used"]
        if grown <= 0:
            return Text("the outbox does not grow: check again in a few seconds")
        hours = free / grown * evidence.listened_s / 3600.0
        if hours >= self.hours:
            return None
        return Text(
            "the outbox is full after {hours:.1f} h without a link; wanted: {wanted:g} h",
            hours=hours,
            wanted=self.hours,
        )


class HolesFilled(Kind, frozen=True, tag="holes-filled"):
    """A run of records that the link lost came after all."""

    def fault(self, evidence: Evidence) -> Text | None:
        """Return what is wrong; None: nothing."""
        lost, filled = evidence.facts.get("lost", 0), evidence.facts.get("filled", 0)
        if filled:
            return None
        return Text(
            "the link lost records {lost} times, and none of these holes was filled", lost=lost
        )


class ConfigSays(Kind, frozen=True, tag="config"):
    """The board's file has a value at a place such as `streams.0.source.baud`.

    For wrong turns alone: whether something is mended is for measurements to say.
    """

    at: str
    value: str | float | bool

    def fault(self, evidence: Evidence) -> Text | None:
        """Return what is wrong; None: nothing."""
        if evidence.configured(self.at) == self.value:
            return None
        return Text("{place} is another", place=self.at)


Condition: TypeAlias = (
    ReadingArrives
    | EventArrives
    | RecordArrives
    | ArrivesSoon
    | DevicesArrive
    | LinkHolds
    | DoctorAgrees
    | OutboxLasts
    | HolesFilled
    | ConfigSays
)
ARRIVALS = (ReadingArrives, EventArrives, RecordArrives, ArrivesSoon, DevicesArrive)


def unmet(conditions: tuple[Condition, ...], evidence: Evidence) -> list[Text]:
    """Return what is wrong still, in the order of the conditions."""
    return [fault for one in conditions if (fault := one.fault(evidence)) is not None]


def is_patient(conditions: tuple[Condition, ...]) -> bool:
    """Say whether a check has to listen all of its time: something is measured over it."""
    kinds = (LinkHolds, OutboxLasts, ArrivesSoon)
    return any(isinstance(one, kinds) for one in conditions)
