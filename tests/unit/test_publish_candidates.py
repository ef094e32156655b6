"""Where the broker is looked for, in which order, and that false ones cannot crowd it out."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_runtime.broker.endpoint import Endpoint
from edge_runtime.enrolment.identity import IdentityFolder, LastGoodBroker
from edge_runtime.options import BrokerOptions
from edge_runtime.publish.candidates import (
    AT_ONCE,
    FOUND_TIMEOUT_S,
    LOOK_AFTER_ROUNDS,
    MAX_FOUND,
    Candidates,
)
from edge_runtime.publish.discover import Sample

NAME = "broker.example"
PROVISIONED = BrokerOptions("mqtts://broker.example:8883", identity="provisioned", server_name=NAME)
DISCOVER = BrokerOptions("discover", ca_file=Path("ca.pem"), server_name=NAME)
CONFIGURED = Endpoint("broker.example", 8883, True, NAME)


def found(number: int, name: str = "false.local") -> Endpoint:
    return Endpoint(f"10.0.{number // 250}.{number % 250}", 8883, True, name)


def candidates(
    broker: BrokerOptions,
    folder: Path,
    discover: Callable[[], list[Endpoint]] = list,
) -> Candidates:
    return Candidates(broker, IdentityFolder(folder), discover, random.Random(1))


def round_of(one: Candidates) -> list[Endpoint]:
    return [candidate.endpoint for candidate in one.next_round()]


def test_configured_then_last_good_then_what_announces_itself(tmp_path: Path) -> None:
    asked: list[int] = []

    def discover() -> list[Endpoint]:
        asked.append(1)
        return [found(1)]

    one = candidates(PROVISIONED, tmp_path, discover)
    one.worked("10.9.9.9", 8883)
    known = [CONFIGURED, Endpoint("10.9.9.9", 8883, True, NAME)]
    for _ in range(LOOK_AFTER_ROUNDS - 1):
        assert round_of(one) == known
    assert not asked, "a broker that is away for a moment is not worth a browser"
    assert round_of(one) == [*known, Endpoint("10.0.0.1", 8883, True, NAME)]


def test_the_network_is_asked_only_once_the_known_addresses_have_failed(tmp_path: Path) -> None:
    def discover() -> list[Endpoint]:
        pytest.fail("nobody tried the last good address before")

    IdentityFolder(tmp_path).keep_last_good(LastGoodBroker("10.9.9.9", 8883))
    first = next(candidates(DISCOVER, tmp_path, discover).next_round())
    assert first.endpoint.host == "10.9.9.9"


def test_the_address_decides_nothing_about_the_name_to_be_proved(tmp_path: Path) -> None:
    (only,) = round_of(candidates(DISCOVER, tmp_path, lambda: [found(1, "anything.local")]))
    assert only.name == NAME


def test_a_broker_that_is_not_provisioned_stays_where_it_is_configured(tmp_path: Path) -> None:
    IdentityFolder(tmp_path).keep_last_good(LastGoodBroker("10.9.9.9", 8883))
    plain = BrokerOptions("mqtts://broker.example", server_name="other.example")
    one = candidates(plain, tmp_path, lambda: [found(1)])
    for _ in range(LOOK_AFTER_ROUNDS + 1):
        assert round_of(one) == [Endpoint("broker.example", 8883, True, "other.example")]


def test_each_false_broker_has_one_turn_before_any_has_a_second(tmp_path: Path) -> None:
    announced = [found(number) for number in range(200)]
    one = candidates(DISCOVER, tmp_path, lambda: list(announced))
    tried: list[str] = []
    rounds = 0
    while len(tried) < 200:
        rounds += 1
        now = round_of(one)
        assert len(now) <= AT_ONCE
        tried += [endpoint.host for endpoint in now]
    assert sorted(tried) == sorted(endpoint.host for endpoint in announced)
    assert rounds == 200 / AT_ONCE
    assert not one.more


def test_what_claims_the_right_name_comes_first_and_false_claims_change_nothing_for_ever(
    tmp_path: Path,
) -> None:
    true = found(150, NAME)
    crowd = [found(number) for number in range(100)]
    assert round_of(candidates(DISCOVER, tmp_path, lambda: [*crowd, true]))[0].host == true.host
    liars = [found(number, NAME) for number in range(100)]
    one = candidates(DISCOVER, tmp_path, lambda: [*liars, true])
    tried = {endpoint.host for _ in range(26) for endpoint in round_of(one)}
    assert true.host in tried


def test_what_is_remembered_and_how_long_it_is_tried_is_bounded(tmp_path: Path) -> None:
    one = candidates(DISCOVER, tmp_path, lambda: [found(number) for number in range(5_000)])
    first = list(one.next_round())
    assert all(candidate.timeout_s <= FOUND_TIMEOUT_S for candidate in first)
    tried = len(first)
    while one.more:
        tried += len(round_of(one))
    assert tried == MAX_FOUND


def test_a_link_ends_the_search(tmp_path: Path) -> None:
    one = candidates(DISCOVER, tmp_path, lambda: [found(number) for number in range(9)])
    round_of(one)
    assert one.more
    one.worked("10.0.0.3", 8883)
    assert not one.more


def test_every_name_that_is_heard_has_the_same_chance_in_a_bounded_sample() -> None:
    class Added:
        name = "Added"

    kept = 0
    for seed in range(400):
        sample = Sample(10, random.Random(seed))
        for number in range(100):
            sample.heard(name=str(number), state_change=Added())  # type: ignore[arg-type]
        assert len(sample.names) == 10
        kept += "0" in sample.names
    assert 20 <= kept <= 60, "about a tenth of 400"
