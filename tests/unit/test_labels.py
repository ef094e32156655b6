"""A label on the wire: short, still told from every other, and found by either of its forms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.labels import MOST_CHARACTERS, class_ids, wire_labels, wire_name

LONG = "a" * 70

# Few letters and lengths around the limit: much that becomes equal when it is cut.
WORDS = st.builds(
    lambda head, length, tail: head * length + tail,
    st.sampled_from(["a", "b", "ế", ", ", "a,"]),
    st.sampled_from([1, 20, 31, 56, 62, 63, 64, 65, 80]),
    st.sampled_from(["", "x", ", x", ", y", " (#0)", " (#1)", "…"]),
)
LISTS = st.lists(WORDS, max_size=12).map(tuple)


@pytest.mark.parametrize(
    ("whole", "wire"),
    [
        (("person", "x" * 64), ("person", "x" * 64)),
        (("great white shark, " + LONG,), ("great white shark",)),
        ((LONG,), ("a" * 63 + "…",)),
        ((", " + LONG,), (", " + "a" * 61 + "…",)),
        ((LONG + ", b",), ("a" * 63 + "…",)),
        (("crane, bird" + LONG, "crane, lift" + LONG), ("crane (#0)", "crane (#1)")),
        (("crane", "crane, lift" + LONG), ("crane", "crane (#1)")),
        ((LONG + "b", LONG + "c"), ("a" * 59 + " (#0)", "a" * 59 + " (#1)")),
        (("dog", LONG, LONG, "dog"), ("dog", "a" * 63 + "…", "a" * 63 + "…", "dog")),
        (("it", "it (#2)", "it, b" + LONG), ("it", "it (#2)", "it (#2.1)")),
    ],
)
def test_what_becomes_of_long_labels(whole: tuple[str, ...], wire: tuple[str, ...]) -> None:
    assert wire_labels(whole) == wire


@given(LISTS)
def test_a_label_is_short_on_the_wire_and_differs_where_it_did(labels: tuple[str, ...]) -> None:
    wire = wire_labels(labels)
    assert all(len(one) <= MOST_CHARACTERS for one in wire)
    kept = [(w, one) for w, one in zip(wire, labels, strict=True) if len(one) <= MOST_CHARACTERS]
    assert all(w == one for w, one in kept)
    assert len(set(wire)) == len(set(labels))
    assert len(set(zip(wire, labels, strict=True))) == len(set(labels))


@given(LISTS)
def test_a_configuration_finds_a_label_by_either_form(labels: tuple[str, ...]) -> None:
    wire = wire_labels(labels)
    for whole, short in zip(labels, wire, strict=True):
        meant = frozenset(place for place, one in enumerate(labels) if one == whole)
        assert class_ids((whole,), labels) == class_ids((short,), labels) == meant
        assert wire_name(whole, labels) == wire_name(short, labels) == short
    assert class_ids(("nobody",), labels) == frozenset()
    assert wire_name("nobody", labels) == "nobody"


def test_twenty_thousand_labels_that_are_all_alike_at_first() -> None:
    labels = tuple(f"{LONG} {number}" for number in range(20_000))
    assert len(set(wire_labels(labels))) == 20_000
