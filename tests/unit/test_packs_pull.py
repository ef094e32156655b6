"""Fetching weights over bad links and from untrusted servers and archives."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_runtime.clock import ManualClock
from edge_runtime.errors import PackError
from edge_runtime.manifest import Manifest
from edge_runtime.packs.download import PullError
from edge_runtime.packs.manifest_file import read_manifest
from edge_runtime.packs.pull import pull
from support.broker import free_port
from support.http_server import Publisher, serving
from support.pack_files import WEIGHTS, make_pack, sha256, zipped
from support.small_disk import small_disk

SIZE = len(WEIGHTS)


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with serving(Publisher(WEIGHTS)) as publisher:
        yield publisher


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    folder = tmp_path / "staging"
    folder.mkdir()
    return folder


def manifest_for(folder: Path, url: str, *, more: str = "") -> Manifest:
    return read_manifest(make_pack(folder / "catalogue", origin=f'url = "{url}"\n{more}'))


def fetch(manifest: Manifest, staging: Path, *, limit_bytes: int = 10 * SIZE) -> Path:
    return pull(manifest, staging, no_meter, clock=ManualClock(), limit_bytes=limit_bytes)


def no_meter(_done: int, _total: int | None) -> None:
    pass


def part_of(manifest: Manifest, staging: Path) -> Path:
    return staging / f"toy-{manifest.model.sha256[:8]}.part"


def test_a_pull_brings_the_weights_and_reports_its_progress(
    tmp_path: Path, staging: Path, publisher: Publisher
) -> None:
    seen: list[tuple[int, int | None]] = []
    manifest = manifest_for(tmp_path, publisher.url)
    weights = pull(manifest, staging, lambda d, t: seen.append((d, t)), clock=ManualClock())
    assert weights.read_bytes() == WEIGHTS
    assert seen[0] == (0, SIZE)
    assert seen[-1] == (SIZE, SIZE)
    assert list(staging.iterdir()) == [weights]


def test_a_cut_connection_resumes_where_it_broke(
    tmp_path: Path, staging: Path, publisher: Publisher
) -> None:
    publisher.cuts = [300_000, 200_000]
    weights = fetch(manifest_for(tmp_path, publisher.url), staging)
    assert weights.read_bytes() == WEIGHTS
    assert publisher.requests == [
        (None, 300_000),
        ("bytes=300000-", 200_000),
        ("bytes=500000-", SIZE - 500_000),
    ]


def test_a_server_without_range_is_read_anew_from_its_start(
    tmp_path: Path, staging: Path, publisher: Publisher
) -> None:
    publisher.ranges = False
    publisher.cuts = [300_000]
    weights = fetch(manifest_for(tmp_path, publisher.url), staging)
    assert weights.read_bytes() == WEIGHTS
    assert [served for _, served in publisher.requests] == [300_000, SIZE]


def test_another_part_than_the_one_asked_for_is_not_appended(
    tmp_path: Path, staging: Path, publisher: Publisher
) -> None:
    publisher.cuts, publisher.range_shift = [300_000], -1000
    seen: list[int] = []
    manifest = manifest_for(tmp_path, publisher.url)
    weights = pull(manifest, staging, lambda done, _: seen.append(done), clock=ManualClock())
    assert weights.read_bytes() == WEIGHTS
    assert seen[seen.index(300_000) + 1] == 0


def test_a_link_that_brings_nothing_new_is_given_up_with_waits_between(
    tmp_path: Path, staging: Path, publisher: Publisher
) -> None:
    publisher.ranges = False
    publisher.cuts = [300_000] * 20
    clock = ManualClock()
    begun_s = clock.monotonic()
    manifest = manifest_for(tmp_path, publisher.url)
    with pytest.raises(PullError, match=f"after 300000 of {SIZE} bytes; run the command again"):
        pull(manifest, staging, no_meter, clock=clock)
    assert len(publisher.requests) == 5
    assert 7.5 <= clock.monotonic() - begun_s <= 15.0
    assert part_of(manifest, staging).stat().st_size == 300_000


def test_a_busy_server_is_asked_again_and_a_missing_file_is_not(
    tmp_path: Path, staging: Path, publisher: Publisher
) -> None:
    publisher.statuses = [503, 429]
    manifest = manifest_for(tmp_path, publisher.url)
    assert fetch(manifest, staging).read_bytes() == WEIGHTS
    publisher.statuses = [404]
    publisher.requests.clear()
    with pytest.raises(PullError, match="the server answers 404"):
        fetch(manifest, staging)
    assert publisher.requests == [(None, 0)]


def test_nobody_listening_is_said_plainly(tmp_path: Path, staging: Path) -> None:
    manifest = manifest_for(tmp_path, f"http://127.0.0.1:{free_port()}")
    with pytest.raises(PullError, match=r"no connection .*refused"):
        fetch(manifest, staging)


def test_a_server_that_falls_silent_is_left_and_asked_again(
    tmp_path: Path, staging: Path, publisher: Publisher
) -> None:
    publisher.cuts, publisher.hold = [300_000], threading.Event()
    manifest = manifest_for(tmp_path, publisher.url)
    weights = pull(manifest, staging, no_meter, clock=ManualClock(), timeout_s=0.5)
    assert weights.read_bytes() == WEIGHTS
    assert publisher.requests[1][0] == "bytes=300000-"


def test_a_certificate_that_nobody_signed_is_refused_at_once_with_the_remedy(
    tmp_path: Path, staging: Path
) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed (Debian: apt-get install openssl)")
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    clock = ManualClock()
    begun_s = clock.monotonic()
    with serving(Publisher(WEIGHTS, tls=context)) as publisher:
        manifest = manifest_for(tmp_path, publisher.url)
        with pytest.raises(
            PullError, match=r"certificate is refused \(self.signed.*clock and its CA"
        ):
            pull(manifest, staging, no_meter, clock=clock)
    assert clock.monotonic() == begun_s


def test_a_download_that_was_complete_is_not_fetched_again(
    tmp_path: Path, staging: Path, publisher: Publisher
) -> None:
    manifest = manifest_for(tmp_path, publisher.url)
    part_of(manifest, staging).write_bytes(WEIGHTS)
    assert fetch(manifest, staging).read_bytes() == WEIGHTS
    assert publisher.requests == [(f"bytes={SIZE}-", 0)]


@pytest.mark.parametrize("stale_bytes", [1000, SIZE, SIZE + 1])
def test_a_part_of_another_file_is_thrown_away_once(
    tmp_path: Path, staging: Path, publisher: Publisher, stale_bytes: int
) -> None:
    manifest = manifest_for(tmp_path, publisher.url)
    part_of(manifest, staging).write_bytes(b"\xff" * stale_bytes)
    assert fetch(manifest, staging).read_bytes() == WEIGHTS
    assert publisher.requests[0][0] == f"bytes={stale_bytes}-"
    assert publisher.requests[-1] == (None, SIZE)
    assert len(publisher.requests) == 2


def test_other_bytes_from_the_server_are_refused_naming_both_hashes(
    tmp_path: Path, staging: Path, publisher: Publisher
) -> None:
    publisher.body = b"<html>log in to the hotel network</html>"
    manifest = manifest_for(tmp_path, publisher.url)
    part_of(manifest, staging).write_bytes(b"<html")
    with pytest.raises(PackError, match=sha256(publisher.body)[:8]) as caught:
        fetch(manifest, staging)
    assert sha256(WEIGHTS)[:8] in str(caught.value)
    assert len(publisher.requests) == 2
    assert list(staging.iterdir()) == []


def test_a_file_larger_than_the_pack_says_is_refused_before_it_is_read(
    tmp_path: Path, staging: Path, publisher: Publisher
) -> None:
    manifest = manifest_for(tmp_path, publisher.url, more=f"size_bytes = {SIZE - 1}")
    with pytest.raises(PullError, match=f"{SIZE} bytes or more, and at most {SIZE - 1}"):
        fetch(manifest, staging)
    assert list(staging.iterdir()) == []


def test_a_body_without_a_length_is_stopped_at_the_limit(
    tmp_path: Path, staging: Path, publisher: Publisher
) -> None:
    publisher.states_length = False
    manifest = manifest_for(tmp_path, publisher.url)
    with pytest.raises(PullError, match="at most 500000 are allowed"):
        fetch(manifest, staging, limit_bytes=500_000)
    assert list(staging.iterdir()) == []


def test_a_body_without_a_length_is_taken_when_it_is_right(
    tmp_path: Path, staging: Path, publisher: Publisher
) -> None:
    publisher.states_length = False
    assert fetch(manifest_for(tmp_path, publisher.url), staging).read_bytes() == WEIGHTS


def test_a_disk_without_room_is_noticed_before_a_byte_is_written(
    tmp_path: Path, staging: Path, publisher: Publisher
) -> None:
    publisher.claims_bytes = shutil.disk_usage(staging).total * 2
    manifest = manifest_for(tmp_path, publisher.url)
    with pytest.raises(PullError, match=r"bytes needed, .* free; make room on the disk"):
        fetch(manifest, staging, limit_bytes=publisher.claims_bytes)
    assert list(staging.iterdir()) == []


@pytest.mark.parametrize("states_length", [True, False])
def test_a_disk_that_runs_full_keeps_its_room_for_others(
    tmp_path: Path, publisher: Publisher, *, states_length: bool
) -> None:
    publisher.states_length = states_length
    with small_disk(tmp_path / "disk", "tmpfs", 17) as place:
        if states_length:  # others write while it comes
            manifest = manifest_for(tmp_path, publisher.url)

            def meter(done: int, _total: int | None) -> None:
                if done and not (place / "log").exists():
                    (place / "log").write_bytes(bytes(900_000))
        else:
            (place / "log").write_bytes(bytes(600_000))
            manifest, meter = manifest_for(tmp_path, publisher.url), no_meter
        log_bytes = 900_000 if states_length else 600_000
        with pytest.raises(PullError, match="make room on the disk"):
            pull(manifest, place, meter, clock=ManualClock(), limit_bytes=1 << 30)
        assert [path.name for path in place.iterdir()] == ["log"], "nothing half behind"
        assert shutil.disk_usage(place).free >= (17 << 20) - log_bytes - 8192


def test_a_file_url_works_and_says_when_nothing_is_there(tmp_path: Path, staging: Path) -> None:
    source = tmp_path / "weights.bin"
    manifest = manifest_for(tmp_path, source.as_uri())
    with pytest.raises(PullError, match="no such file"):
        fetch(manifest, staging)
    source.write_bytes(WEIGHTS)
    assert fetch(manifest, staging).read_bytes() == WEIGHTS


def test_a_pack_without_a_url_says_how_to_bring_its_weights(tmp_path: Path, staging: Path) -> None:
    manifest = read_manifest(make_pack(tmp_path))
    with pytest.raises(PackError, match=r"names no URL.*models import toy FILE"):
        fetch(manifest, staging)


def test_weights_inside_a_zip_are_pulled_over_a_cut_connection(
    tmp_path: Path, staging: Path, publisher: Publisher
) -> None:
    publisher.body = zipped(tmp_path / "a.zip", readme=b"x", inner__w=WEIGHTS).read_bytes()
    publisher.cuts = [1000]
    manifest = manifest_for(
        tmp_path, publisher.url, more=f'member = "inner/w"\nsize_bytes = {SIZE}'
    )
    weights = fetch(manifest, staging)
    assert weights.read_bytes() == WEIGHTS
    assert publisher.requests[1][0] == "bytes=1000-"
    assert list(staging.iterdir()) == [weights]
