"""Finds a link to the broker: one candidate after the other."""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec

from edge_runtime.broker.reasons import LinkError
from edge_runtime.clock import Clock
from edge_runtime.enrolment.identity import IdentityFolder
from edge_runtime.errors import IdentityError, Text, located, one_line, row
from edge_runtime.language import N_
from edge_runtime.options import BrokerOptions
from edge_runtime.publish.candidates import BrokerCandidate, Candidates
from edge_runtime.publish.connecting import KnownVersions, connect
from edge_runtime.publish.contract import Identity
from edge_runtime.publish.link import BrokerLink
from edge_runtime.publish.waker import Waker
from edge_runtime.records import Message

log = logging.getLogger("edge_runtime.publish")

MAX_REPORTED = 512
UNCLEAR_TRIES = 2  # a network that breaks now and then is no reason to ask for other protocols
MAX_IN_REASON = 3
NONE_FOUND = N_("no broker found on the local network; is one announced by mDNS?")


class UnreachedError(LinkError):
    """No candidate is the broker; why has been logged, candidate by candidate."""


class Dialer:
    """Opens links for one publisher, in its thread."""

    def __init__(
        self,
        broker: BrokerOptions,
        candidates: Candidates,
        place: IdentityFolder | None,
        identity: Identity,
        will: Callable[[], Message | None],
        clock: Clock,
        waker: Waker,
        give_up: Callable[[], bool],
    ) -> None:
        self.address = ""
        self._broker = broker
        self._candidates = candidates
        self._place = place
        self._identity = identity
        self._will = will
        self._clock = clock
        self._waker = waker
        self._give_up = give_up
        self._reported: set[str] = set()
        self._versions = KnownVersions(UNCLEAR_TRIES)

    def dial(self) -> BrokerLink:
        """Return an open link. Raises UnreachedError: why each candidate failed, by its address."""
        errors: list[LinkError] = []
        link = self._first(self._with_identity(errors), errors)
        if link is not None:
            return link
        if self._give_up():
            raise UnreachedError("the device is stopping")
        if not errors:
            self._fail(errors, LinkError(NONE_FOUND))
        raise together(errors)

    def _first(self, broker: BrokerOptions, errors: list[LinkError]) -> BrokerLink | None:
        """Return the link of the first candidate that is the broker, None where none is."""
        try:
            for candidate in self._candidates.next_round():
                if self._give_up():
                    break
                link = self._try(broker, candidate, errors)
                if link is not None:
                    return link
        except LinkError as error:  # the local network cannot be asked
            self._fail(errors, error)
        return None

    def _with_identity(self, errors: list[LinkError]) -> BrokerOptions:
        """Return `[broker]` with the files of this moment: a renewed certificate is taken up."""
        if self._place is None:
            return self._broker
        try:
            return self._place.applied(self._broker, self._clock.now().wall_s)
        except IdentityError as error:
            self._fail(errors, LinkError(error.text))
            raise together(errors) from None

    def _try(
        self, broker: BrokerOptions, candidate: BrokerCandidate, errors: list[LinkError]
    ) -> BrokerLink | None:
        self.address = one_line(str(candidate.endpoint))  # a neighbour may have named it
        try:
            link = self._open(broker, candidate)
            self._candidates.worked(*link.peer(), candidate.endpoint.path)
        except LinkError as error:
            self._fail(errors, by_address(error, self.address))
            return None
        self._reported.clear()
        return link

    def _open(self, broker: BrokerOptions, candidate: BrokerCandidate) -> BrokerLink:
        return connect(
            msgspec.structs.replace(broker, connect_timeout_s=candidate.timeout_s),
            candidate.endpoint,
            self._identity,
            self._will,
            clock=self._clock,
            waker=self._waker,
            versions=self._versions,
            give_up=self._give_up,
        )

    def _fail(self, errors: list[LinkError], error: LinkError) -> None:
        """Note an error, and log it: each once, until a link stands again."""
        errors.append(error)
        text = str(error)
        if text not in self._reported:
            if len(self._reported) >= MAX_REPORTED:
                self._reported.clear()
            self._reported.add(text)
            log.warning("%s", text)


def by_address(error: LinkError, address: str) -> LinkError:
    """Return the error with the address in its text."""
    if str(error).startswith(address):
        return error
    return LinkError(
        located(address, error),
        code=error.code,
        answered=error.answered,
        wait_at_least_s=error.wait_at_least_s,
    )


def together(errors: list[LinkError]) -> UnreachedError:
    """Return one error for all that failed in a round."""
    more = len(errors) - MAX_IN_REASON
    rest = [Text("and {count} more", count=more)] if more > 0 else []
    return UnreachedError(
        row([*errors[:MAX_IN_REASON], *rest]),
        code=errors[0].code,
        wait_at_least_s=max(error.wait_at_least_s for error in errors),
    )
