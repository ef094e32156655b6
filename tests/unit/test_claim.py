"""Claims as text: there and back, what a slip or a stranger makes of them, words to read aloud."""

from __future__ import annotations

import zlib
from base64 import urlsafe_b64encode
from contextlib import suppress
from typing import Any

import cbor2
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.enrolment.claim import (
    MAX_CHARACTERS,
    PREFIX,
    Claim,
    ClaimError,
    parse_claim,
)
from edge_runtime.enrolment.words import CONSONANTS, VOWELS, six_words, word

CLAIM = Claim(
    site="ha-giang",
    device="gate-3",
    est_url="https://office.ha-giang.example:8443",
    broker_url="mqtts://broker.ha-giang.example:8883",
    broker_name="broker.ha-giang.example",
    ca_sha256="c0ffee00" * 8,
    claim_id="kbi5m3iwklfyk",
    secret="braoe6vvqkf4vcqbpdrl2muc44",
    expires_at=1_795_926_234,
)
LENGTH = len(CLAIM.text())
level = st.from_regex(r"\A[a-z0-9-]{1,31}\Z")
host = st.from_regex(r"\A[a-z0-9][a-z0-9.-]{0,30}\Z")
port = st.integers(1, 65535)
claims = st.builds(
    Claim,
    site=level,
    device=level,
    est_url=st.builds("https://{}:{}/.well-known/est".format, host, port),
    broker_url=st.builds("mqtts://{}:{}".format, host, port),
    broker_name=host,
    ca_sha256=st.binary(min_size=32, max_size=32).map(bytes.hex),
    claim_id=st.from_regex(r"\A[a-z2-7]{13}\Z"),
    secret=st.from_regex(r"\A[a-z2-7]{26}\Z"),
    expires_at=st.integers(0, 2**33),
    first_boot=st.integers(1, 2**40),
)


def spelled(fields: Any) -> str:
    """A text whose checksum is right, whatever it holds."""
    body = cbor2.dumps(fields)
    return PREFIX + urlsafe_b64encode(zlib.crc32(body).to_bytes(4) + body).decode()


def fields_of(claim: Claim) -> dict[int, Any]:
    """The map within a claim's text, as claim.py's first lines describe it."""
    values = list(msgspec.structs.astuple(claim))
    values[2], values[3] = values[2].removeprefix("https://"), values[3].removeprefix("mqtts://")
    values[5] = bytes.fromhex(values[5])
    return dict(enumerate(values, 1))


@settings(max_examples=50)
@given(claims)
def test_a_claim_comes_back_from_its_text(claim: Claim) -> None:
    text = claim.text()
    assert len(text) <= MAX_CHARACTERS
    assert parse_claim(text) == claim


def test_a_usual_claim_is_short_enough_for_a_qr_code() -> None:
    assert LENGTH <= 250  # version 11 of QR at error correction M
    assert parse_claim(spelled(fields_of(CLAIM))) == CLAIM


@pytest.mark.parametrize(
    "wrap",
    ["# for gate-3\n{}\n# end\n", "\ufeff# Notepad\r\n\r\n{}\r\n", "  {}  ", "\n\n{}"],
)
def test_a_file_around_it_is_put_aside(wrap: str) -> None:
    assert parse_claim(wrap.format(CLAIM.text())) == CLAIM


def test_a_line_that_a_mail_program_broke_is_mended() -> None:
    text = CLAIM.text()
    assert parse_claim(f"{text[:76]}\r\n{text[76:152]}\r\n {text[152:]}") == CLAIM


@given(st.integers(0, LENGTH - 1), st.characters(codec="utf-8"))
def test_one_wrong_character_never_makes_another_claim(place: int, character: str) -> None:
    text = CLAIM.text()
    with suppress(ClaimError):  # base64's own spelling of the same bytes may pass
        assert parse_claim(text[:place] + character + text[place + 1 :]) == CLAIM


@pytest.mark.parametrize("place", range(13, 60, 5))
def test_a_wrong_letter_is_noticed(place: int) -> None:
    text = CLAIM.text()
    other = "A" if text[place] != "A" else "B"
    with pytest.raises(ClaimError, match="mistyped"):
        parse_claim(text[:place] + other + text[place + 1 :])


@pytest.mark.parametrize("length", [0, 1, 12, 13, 14, 20, 100, LENGTH - 1])
def test_a_claim_cut_short_is_noticed(length: int) -> None:
    with pytest.raises(ClaimError, match="cut short" if length > 12 else "no claim"):
        parse_claim(CLAIM.text()[:length])


def test_a_claim_of_a_newer_form_says_so() -> None:
    with pytest.raises(ClaimError, match=r"form 2.*form 1.*same version"):
        parse_claim(CLAIM.text().replace("claim-1", "claim-2"))


@pytest.mark.parametrize(
    ("number", "value"),
    [
        (1, "Ha Giang"), (1, "a\n"), (2, ""), (2, "a/b"), (2, "+"), (2, "a" * 33),
        (3, "host"), (3, "u:p@host:1"), (3, "host:99999"), (3, "host:1/?a"), (3, 7),
        (4, "host:1/path"), (4, "host:0"), (5, "a b"), (6, b"short"), (6, "text"),
        (7, "a:b"), (7, None), (8, "a\r\nX: y"), (9, -1), (9, 1.5), (9, "soon"), (10, "more"),
    ],
)  # fmt: skip
def test_a_field_out_of_bounds_is_refused(number: int, value: object) -> None:
    with pytest.raises(ClaimError, match="does not understand") as caught:
        parse_claim(spelled(fields_of(CLAIM) | {number: value}))
    assert "\n" not in str(caught.value)


def test_site_and_name_that_a_certificate_cannot_hold_are_refused() -> None:
    with pytest.raises(ClaimError):
        parse_claim(spelled(fields_of(CLAIM) | {1: "a" * 32, 2: "b" * 32}))
    assert parse_claim(spelled(fields_of(CLAIM) | {1: "a" * 32, 2: "b" * 31}))


def test_host_names_that_make_it_too_long_are_told_to_the_office() -> None:
    long = msgspec.structs.replace(CLAIM, est_url=f"https://{'a' * 200}:1")
    with pytest.raises(ClaimError, match="shorter host names"):
        long.text()


def test_the_secret_is_not_in_what_a_log_would_show() -> None:
    assert CLAIM.secret not in f"{CLAIM} {CLAIM!r} {[CLAIM]}"


@given(st.text() | st.binary().map(lambda b: PREFIX + urlsafe_b64encode(b).decode()))
def test_garbage_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ClaimError) as caught:
        parse_claim(text)
    assert len(str(caught.value).splitlines()) == 1


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.integers(0, 10) | st.text(), inner),
    max_leaves=4,
)


@settings(max_examples=50)
@given(json_like | st.dictionaries(st.integers(1, 9), json_like))
def test_well_spelled_nonsense_is_refused_in_one_line(fields: Any) -> None:
    with pytest.raises(ClaimError) as caught:
        parse_claim(spelled(fields))
    assert len(str(caught.value).splitlines()) == 1


@given(st.binary(max_size=64))
def test_any_cbor_with_a_right_checksum_is_refused_in_one_line(body: bytes) -> None:
    text = PREFIX + urlsafe_b64encode(zlib.crc32(body).to_bytes(4) + body).decode()
    with pytest.raises(ClaimError):
        parse_claim(text)


def test_words_stay_those_that_were_read_out() -> None:
    assert (word(0), word(0x7FFF), word(1)) == ("bababa", "tututu", "bababi")
    assert six_words(b"") == "takosa kahala masatu lakobi hidomu sutolu"


def test_words_have_no_letters_that_speakers_merge() -> None:
    letters = {*CONSONANTS}
    for merged in ("dgjrvz", "ln", "sx", "bp", "ckq"):
        assert len(letters & {*merged}) == 1, merged
    assert len(letters) == 8


@given(st.binary())
def test_words_are_six_and_can_be_said(key: bytes) -> None:
    words = six_words(key).split(" ")
    assert len(words) == 6
    for one in words:
        assert len(one) == 6
        assert all(c in CONSONANTS for c in one[::2])
        assert all(c in VOWELS for c in one[1::2])
