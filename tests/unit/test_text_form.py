"""Texts on their way to another process: what was made of a template arrives as such."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies

from edge_runtime.enrolment.identity import PendingEnrolment
from edge_runtime.errors import EMPTY, EdgeError, RawText, Text, located
from edge_runtime.infer.process_messages import ModelRefused, decode_from_model, encode_from_model
from edge_runtime.language import Language
from edge_runtime.sources.capture_messages import (
    SourceFailed,
    decode_from_capture,
    encode_from_capture,
)
from edge_runtime.text_form import MAX_TEXT, decode_text, encode_english, with_texts
from support.localized import VI, sent

GONE = Text("{path}: cannot be read ({reason})", path="/a", reason=Text("Permission denied"))


def test_a_text_within_a_text_arrives_with_its_values() -> None:
    arrived = sent(GONE)
    assert (arrived, arrived.template) == (str(GONE), GONE.template)
    assert (
        arrived.localized(VI)
        == GONE.localized(VI)
        == "/a: không đọc được (không có quyền truy cập)"
    )
    # Where it is sent on once more, too.
    assert sent(sent(arrived)).localized(VI) == GONE.localized(VI)


def test_a_number_arrives_as_it_was_printed() -> None:
    text = Text("no answer within {seconds:.0f} s", seconds=4.6)
    assert sent(text) == "no answer within 5 s"
    assert sent(text).localized(VI) == "không có trả lời trong 5 giây"


def test_an_error_among_the_values_arrives_as_its_text() -> None:
    error = EdgeError("{path}: cannot be read ({reason})", path="/b", reason=EdgeError(GONE))
    assert sent(error.text).localized(VI) == error.localized(VI)


@given(strategies.text(max_size=40), strategies.text(max_size=40))
def test_any_words_arrive_as_they_are(words: str, value: str) -> None:
    words = words.encode(errors="replace").decode()
    value = value.encode(errors="replace").decode()
    for text in (RawText(words), Text(words), located(value, words), Text("{a}", a=value)):
        assert sent(text) == text
        assert sent(text).localized(Language("en")) == text


def test_a_text_without_end_is_cut() -> None:
    assert sent(Text("{a}", a="x" * 20_000)) == "x" * MAX_TEXT


def test_the_messages_of_child_processes_carry_texts() -> None:
    failed = decode_from_capture(encode_from_capture(SourceFailed(GONE)))
    assert isinstance(failed, SourceFailed)
    assert failed.reason.localized(VI) == GONE.localized(VI)
    refused = decode_from_model(encode_from_model(ModelRefused(GONE)))
    assert isinstance(refused, ModelRefused)
    assert refused.reason.localized(VI) == GONE.localized(VI)


def test_outsiders_read_english() -> None:
    facts = {"reason": GONE, "notice": EMPTY}
    assert msgspec.json.decode(msgspec.json.encode(facts, enc_hook=encode_english)) == {
        "reason": "/a: cannot be read (Permission denied)",
        "notice": "",
    }


def bomb(depth: int) -> Any:
    return {"text": "{a}" * 30, "values": {"a": bomb(depth - 1) if depth else "x" * 30}}


def deep(depth: int) -> Any:
    return {"text": "{a}", "values": {"a": deep(depth - 1) if depth else "x"}}


@pytest.mark.parametrize(
    "form",
    [
        {"text": "{a.__class__}", "values": {"a": "x"}},
        {"text": "{a[0]}", "values": {"a": "x"}},
        {"text": "{a:{b}}", "values": {"a": "x", "b": "9"}},
        {"text": "{}", "values": {"": "x"}},
        {"text": "{a", "values": {"a": "x"}},
        {"text": "{b}", "values": {"a": "x"}},
        {"text": "{a}" * 100, "values": {"a": "x"}},
        {"text": "{a}", "values": {"a": 3}},
        {"text": "x" * (MAX_TEXT + 1), "values": {}},
        "x" * (MAX_TEXT + 1),
        bomb(12),
        deep(40),
        7,
        None,
    ],
)
def test_what_is_no_text_of_ours_is_refused(form: Any) -> None:
    with pytest.raises(msgspec.MsgspecError):
        msgspec.convert({"claim": "c", "expires_at": 1, "reason": form}, PendingEnrolment,
                        dec_hook=decode_text)  # fmt: skip


def test_a_width_fills_no_memory() -> None:
    form = {"text": "{a:>999999999}", "values": {"a": "x"}}
    assert with_texts({"reason": form}) == {"reason": "x"}
