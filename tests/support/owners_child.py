"""What is asked of a process of root's that acts as another user, in a Python that he can run."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from edge_runtime.enrolment.claim import Claim
from edge_runtime.enrolment.identity import IdentityFolder
from edge_runtime.errors import IdentityError, UsageError
from edge_runtime.provision.enrolling import begin
from edge_runtime.provision.owner import acting_as_owner, in_owners_process

CLAIM = Claim(
    "hill", "gate", "https://127.0.0.1:1", "mqtts://127.0.0.1:1", "b", "0" * 64, "id", "secret",
    2_000_000_000,
)  # fmt: skip


def acts_in_a_block(folder: Path, owner: int) -> None:
    state, private = folder / "state", folder / "root-alone"
    private.mkdir(0o700)
    seen: list[int] = []
    with acting_as_owner(state), IdentityFolder(state).locked():
        begin(IdentityFolder(state), CLAIM)
        status = subprocess.run(
            ["/bin/cat", "/proc/self/status"], capture_output=True, text=True, check=True
        ).stdout
        thread = threading.Thread(target=lambda: seen.append(os.geteuid()))
        thread.start()
        thread.join()
    for ids in ("Uid", "Gid"):
        assert f"{ids}:" + f"\t{owner}" * 4 in status
    assert seen == [owner]
    assert (os.getresuid(), os.getresgid()) == ((0, 0, 0), (0, 0, 0))
    written = list((state / "identity").iterdir())
    assert written
    assert {(path.stat().st_uid, path.stat().st_gid) for path in written} == {(owner, owner)}
    (state / "identity").rename(state / "before")
    (state / "identity").symlink_to(private)
    with pytest.raises(IdentityError), acting_as_owner(state), IdentityFolder(state).locked():
        begin(IdentityFolder(state), CLAIM)
    assert list(private.iterdir()) == []
    assert os.geteuid() == 0


def acts_in_a_process(folder: Path, owner: int) -> None:
    state = folder / "state"

    def tries_to_return() -> bytes:
        with pytest.raises(PermissionError):
            os.seteuid(0)
        return str(os.getresuid()).encode()

    told = in_owners_process(state, tries_to_return)
    assert told == f"({owner}, {owner}, {owner})".encode()
    with pytest.raises(UsageError, match="ended with status -6"):
        in_owners_process(state, os.abort)


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
