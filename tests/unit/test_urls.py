"""What is shown of a URL: never a part that may hold a secret, wherever somebody put it."""

from __future__ import annotations

import errno
import http.client
import io
import json
import logging
import os
import socket
import subprocess
import sys
import tomllib
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from edge_runtime.cli.check import describe, source_warnings
from edge_runtime.cli.logs import JournalFormatter, LogFormatter
from edge_runtime.clock import SystemClock
from edge_runtime.config import parse
from edge_runtime.errors import ConfigError, SourceError, UsageError
from edge_runtime.packs.download import status_text, why_broken
from edge_runtime.provision.claims import read_claim
from edge_runtime.sources.network_camera.address import why_unreached
from edge_runtime.sources.ports import open_port
from edge_runtime.sources.serial_port import SerialSource
from edge_runtime.stream.task import describe as described
from edge_runtime.toml_file import read_toml
from edge_runtime.urls import login_doubt, shown_url, without_urls
from support.broker import free_port
from support.sensors import lines_at

MARK = "S3cr3t"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"rtsp://admin:{MARK}@10.0.0.7:554/h264", "rtsp://10.0.0.7:554"),
        (f"rtsp://admin:{MARK}@x@[fe80::1]/h264", "rtsp://[fe80::1]"),
        (f"rtsp://10.0.0.7/user=admin&password={MARK}&channel=1", "rtsp://10.0.0.7"),
        (f"rtsp://10.0.0.7/user=admin_password={MARK}_x.sdp?real_stream", "rtsp://10.0.0.7"),
        (f"rtsp://10.0.0.7/live;password={MARK}", "rtsp://10.0.0.7"),
        (f"rtsp://10.0.0.7/live#password={MARK}", "rtsp://10.0.0.7"),
        (f"rtsp://10.0.0.7;password={MARK}/live", "rtsp://…"),
        (f"rtsp://admin:9/{MARK}@10.0.0.7/h264", "rtsp://…"),
        (f"rtsp://admin:9?{MARK}@10.0.0.7/h264", "rtsp://…"),
        (f"rtsp://admin:9#{MARK}@10.0.0.7/h264", "rtsp://…"),
        (f"rtsp://admin:{MARK}#x@10.0.0.7/h264", "rtsp://…"),
        (f"rtsp://admin:{MARK}/10.0.0.7", "rtsp://…"),
        (f"rtsp://admin:{MARK}\\@h/x", "rtsp://h"),
        (f"admin:{MARK}@rtsp://10.0.0.7/h264", "…"),
        (f"rtsp:/admin:{MARK}@10.0.0.7/h264", "…"),
        (f"admin:{MARK}@10.0.0.7/h264", "…"),
        (f"//admin:{MARK}@10.0.0.7/h264", "…"),
        (f"https://models.example/a.zip?token={MARK}", "https://models.example"),
        (f"file:///media/usb/a.zip?token={MARK}", "file:///media/usb/a.zip"),
        (f"socket://10.0.0.7:4000?token={MARK}", "socket://10.0.0.7:4000"),
        ("rfc2217://me:word@10.0.0.7:4000", "rfc2217://10.0.0.7:4000"),
        ("loop://", "loop://"),
        ("mqtt://broker.local", "mqtt://broker.local"),
        ("broker.local:1883", "broker.local:1883"),
        ("/dev/serial/by-id/usb-a@b-if00", "/dev/serial/by-id/usb-a@b-if00"),
        ("/dev/v4l/by-path/pci-0000:01:00.0-usb", "/dev/v4l/by-path/pci-0000:01:00.0-usb"),
        ("discover", "discover"),
    ],
)
def test_scheme_host_and_port_are_shown_and_nothing_that_may_be_secret(
    url: str, shown: str
) -> None:
    assert shown_url(url) == shown
    assert shown_url(shown) == shown


def test_texts_of_libraries_keep_what_is_no_secret() -> None:
    text = f"cannot read 'rtsp://a:{MARK}@h:1/x' (http://b:2), admin:{MARK}@rtsp://c/x: http://d."
    assert without_urls(text) == "cannot read 'rtsp://h:1 (http://b:2), …rtsp://c http://d."
    assert without_urls("no URL: a/b ... 3") == "no URL: a/b ... 3"


# URLs with a secret in any part of them. Spaces no configuration lets through.

AROUND = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Z"]), max_size=6)
SECRETS = st.tuples(AROUND | st.text("/?#@:&=;%'\"[]\\.", max_size=4), AROUND).map(MARK.join)
PLACES = st.sampled_from(["127.0.0.1", "127.0.0.1:9", "[::1]:9"])
FORMS = st.sampled_from(
    [
        "{scheme}://{secret}@{place}/live",
        "{scheme}://admin:{secret}@{place}/live",
        "{scheme}://{secret}:{secret}@{place}",
        "{scheme}://admin:9{secret}@{place}/{secret}",
        "{scheme}://{place}/{secret}",
        "{scheme}://{place}/user=admin&password={secret}&channel=1",
        "{scheme}://{place}/live;password={secret}",
        "{scheme}://{place}/live?token={secret}",
        "{scheme}://{place}/live#{secret}",
        "{scheme}://{place}/live?{secret}#{secret}",
        "{secret}@{scheme}://{place}/live",
        "admin:{secret}@{place}/live",
        "{scheme}:/admin:{secret}@{place}/live",
    ]
)


@st.composite
def urls(draw: st.DrawFn, scheme: str) -> str:
    return draw(FORMS).format(scheme=scheme, secret=draw(SECRETS), place=draw(PLACES))


def checked(text: str) -> str:
    """Return all that `check` says of a configuration, good or not."""
    told = io.StringIO()
    try:
        config = parse(tomllib.loads(text), Path("my.toml"))
    except ConfigError as error:
        return str(error)
    with redirect_stdout(told):
        describe(config, {}, 1)
    return told.getvalue() + "\n".join(source_warnings(config))


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


HEAD = '[device]\nsite = "a"\n[broker]\nurl = {broker}\n[[streams]]\nname = "gate"\n'
CAMERA = 'source = {{ kind = "camera", device = {url} }}\nmodel = {{ pack = "p" }}\n'
SERIAL = (
    'source = {{ kind = "serial", url = {url}, '
    'framing = {{ kind = "lines", columns = [{{ name = "level" }}] }} }}\n'
)
FILE = 'source = {{ kind = "video", path = {url} }}\nmodel = {{ pack = "p" }}\n'
WRONG_KIND = "source = {{ kind = {url} }}\n"
WRONG_KEY = 'source = {{ kind = "camera", {url} = 1 }}\n'
BROKEN = 'source = {{ kind = "camera", device = {url}"" }}\n'


@given(urls("rtsp"), st.sampled_from([CAMERA, SERIAL, FILE, WRONG_KIND, WRONG_KEY]))
@example(f"rtsp://admin:{MARK}/x@127.0.0.1", CAMERA)
@example(f"rtsp://admin:{MARK}/x", CAMERA)
def test_check_never_repeats_a_secret_of_a_stream(url: str, source: str) -> None:
    assume(source not in (FILE, WRONG_KIND, WRONG_KEY) or "://" in url)
    text = (HEAD + source).format(broker='"mqtt://b"', url=quoted(url))
    assert MARK not in checked(text)


@given(urls("mqtts"))
@example(f"mqtts://127.0.0.1?token={MARK}")
@example(f"mqtts://127.0.0.1#{MARK}")
@example(f"ws://127.0.0.1?token={MARK}")
def test_check_never_repeats_a_secret_of_the_broker(url: str) -> None:
    said = checked((HEAD + CAMERA).format(broker=quoted(url), url='"/dev/video0"'))
    assert MARK not in said
    assert "broker.url" in said


@given(urls("rtsp"))
def test_a_file_that_is_no_toml_is_not_quoted(url: str) -> None:
    text = (HEAD + BROKEN).format(broker='"mqtt://b"', url=quoted(url))
    with os.fdopen(os.memfd_create("toml"), "w+b") as made:
        made.write(text.encode())
        made.flush()
        with pytest.raises(ConfigError, match=r"line \d+, column") as told:
            read_toml(Path(f"/proc/self/fd/{made.fileno()}"), ConfigError)
    assert MARK not in str(told.value)


NETWORK = [
    socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
    TimeoutError("timed out"),
    ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
]


@given(urls("rtsp"), st.sampled_from(NETWORK))
def test_what_a_camera_is_degraded_for_holds_no_secret(url: str, error: OSError) -> None:
    assert MARK not in why_unreached(url, error, 1.0)
    assert MARK not in str(login_doubt(url))
    assert MARK not in described(ValueError(f"{url}: {url!r} is no URL")) or "://" not in url


@given(urls("socket") | urls("nothing"))
@example(f"socket://127.0.0.1:{MARK}")
@example(f"socket://127.0.0.1:9?{MARK}=1")
@example(f"socket://127.0.0.1:9?logging={MARK}")
def test_what_pyserial_says_of_a_url_is_not_repeated(url: str) -> None:
    with pytest.raises(SourceError) as told:
        open_port(lines_at(url), 0.1)
    assert MARK not in str(told.value)


def test_a_port_that_is_not_reached_says_why() -> None:
    options = lines_at(f"socket://me:{MARK}@127.0.0.1:{free_port()}")
    with pytest.raises(SourceError) as told:
        SerialSource(options, SystemClock()).open()
    assert str(told.value).startswith(
        f"{shown_url(options.url)}: cannot be opened (Connection refused); check url"
    )


@given(urls("rtsp"), st.sampled_from([LogFormatter(), JournalFormatter("%(message)s")]))
def test_a_traceback_in_the_log_holds_no_secret(url: str, formatter: logging.Formatter) -> None:
    try:
        raise RuntimeError(f"cannot open {url!r}: it fails")
    except RuntimeError:
        record = logging.LogRecord("edge_runtime", 40, "x.py", 1, "failed", (), sys.exc_info())
    text = formatter.format(record)
    assert "RuntimeError: cannot open" in text
    assert MARK not in text or "://" not in url


def test_defects_that_nobody_caught_end_without_a_login() -> None:
    code = (
        "import sys, threading\n"
        "from edge_runtime.cli.logs import hide_urls_of_defects\n"
        "hide_urls_of_defects()\n"
        "def fail(): raise RuntimeError(f'no answer from {sys.argv[1]}')\n"
        "thread = threading.Thread(target=fail)\n"
        "thread.start()\n"
        "thread.join()\n"
        "fail()\n"
    )
    url = f"rtsp://admin:{MARK}@10.0.0.7/live"
    command = [sys.executable, "-c", code, url]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.count("RuntimeError: no answer from rtsp://10.0.0.7\n") == 2
    assert MARK not in done.stderr


@pytest.mark.parametrize("given", ["AAAA" * 60, "edge-claim1:" + "AAAA" * 60])
def test_a_claim_that_was_mistyped_is_not_repeated(given: str) -> None:
    with pytest.raises(UsageError, match=r"…: the claim cannot be read"):
        read_claim(given)
    with pytest.raises(UsageError, match=r"gate\.claim: the claim cannot be read"):
        read_claim(f"/nowhere/{given[:99]}/gate.claim")


def test_what_http_quotes_of_a_url_is_not_repeated() -> None:
    assert why_broken(http.client.InvalidURL(f"'/a b?token={MARK}'")) == "InvalidURL"
    assert why_broken(OSError("it broke")) == "it broke"
    assert (status_text(404), status_text(999)) == ("404 Not Found", "999")
