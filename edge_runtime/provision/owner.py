"""What root does in the state folder it does as the folder's owner, the service's user.

The owner may put a link wherever root is about to read, write or give something away; as the owner
root reaches what he reaches, and makes files that are his from the first moment.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from edge_runtime.errors import UsageError, because


class StateOwner(NamedTuple):
    """The user whose state folder it is, with the groups that the service has."""

    uid: int
    gid: int
    groups: list[int]


def make_state_folder(folder: Path) -> None:
    """Make the state folder where there is none, for its owner alone."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            "{folder}: the state folder cannot be made ({reason}); run this as root, or name "
            "another with --state-dir",
            folder=folder,
            reason=because(error),
        ) from None


def other_owner(folder: Path) -> StateOwner | None:
    """Return as whom this process has to act in a state folder.

    None: as itself, because it is not root's process, or the folder is root's, or not there yet.
    """
    if os.geteuid() != 0:
        return None
    try:
        about = folder.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UsageError(
            "{folder}: the state folder cannot be read ({reason})",
            folder=folder,
            reason=because(error),
        ) from None
    if about.st_uid == 0:
        return None
    # Not for the daemon, which systemd starts as the owner.
    from edge_runtime.doctor.access import groups_of
    from edge_runtime.doctor.unit import loaded_unit

    groups = {about.st_gid, *groups_of(about.st_uid, loaded_unit(Path("/")))}
    return StateOwner(about.st_uid, about.st_gid, sorted(groups))


def become_owner(folder: Path, *reads: Path) -> None:
    """Turn root's process into its state folder's owner's, for good.

    `reads` are files that the person named. Raises UsageError where the owner cannot read them, or
    not this Python.
    """
    owner = other_owner(folder)
    if owner is not None:
        switch(owner, saved_uid=owner.uid, folder=folder)
        refuse_unreadable(folder, reads)


@contextlib.contextmanager
def acting_as_owner(folder: Path, *reads: Path) -> Iterator[None]:
    """Let root act as the folder's owner, in all threads; programs that are started are his alone.

    What may be led astray by other people's bytes belongs into `in_owners_process`: this process
    can be root again. Raises UsageError as `become_owner`.
    """
    owner = other_owner(folder)
    if owner is None:
        yield
        return
    own_groups, own_gid = os.getgroups(), os.getegid()
    switch(owner, saved_uid=0, folder=folder)
    try:
        refuse_unreadable(folder, reads)
        yield
    finally:
        os.seteuid(0)
        os.setresuid(0, 0, 0)
        os.setresgid(own_gid, own_gid, own_gid)
        os.setgroups(own_groups)


def in_owners_process(folder: Path, work: Callable[[], bytes]) -> bytes:
    """Return what `work` returns, done by the folder's owner in a process that ends with it.

    Where no other owner has to act it is done in this process. Call it while there is one thread.
    """
    if other_owner(folder) is None:
        return work()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        be_owners_process(folder, work, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        done = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status != 0:
        raise UsageError(
            "what was done as the owner of {folder} ended with status {status}",
            folder=folder,
            status=status,
        )
    return done


def be_owners_process(folder: Path, work: Callable[[], bytes], writer: int) -> None:
    """Do the work in the child, and leave without what the parent would do at its end."""
    status = 1
    try:
        become_owner(folder)
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(work())
        status = 0
    except BaseException as error:  # the copy must not go on as the parent
        sys.stderr.write(f"edge-runtime: {error}\n")
    finally:
        sys.stderr.flush()
        os._exit(status)


def switch(owner: StateOwner, *, saved_uid: int, folder: Path) -> None:
    """Take another user's place; a saved user id of 0 is the way back."""
    try:
        os.setgroups(owner.groups)
        os.setresgid(owner.gid, owner.gid, owner.gid)
        os.setresuid(owner.uid, owner.uid, saved_uid)
    except OSError as error:
        raise UsageError(
            "{folder}: root may not act as its owner here ({reason}); run this as that user",
            folder=folder,
            reason=because(error),
        ) from None


def refuse_unreadable(folder: Path, reads: tuple[Path, ...]) -> None:
    """Raise UsageError where the owner cannot read what this command is about to."""
    for path in (Path(sys.executable), Path(__file__)):
        if not may_read(path):
            raise UsageError(
                "{python}: this Python is not readable for the owner of {folder}; the service "
                "could not run it either: install it with scripts/install",
                python=sys.prefix,
                folder=folder,
            )
    for path in reads:
        try:
            os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK))
        except PermissionError:
            raise UsageError(
                "{file}: the owner of {folder}, as whom this runs, may not read it, nor may the "
                "service; put it into /etc/edge-runtime, readable for the group edge-runtime",
                file=path,
                folder=folder,
            ) from None
        except OSError:
            continue  # what is not there is for the command to say


def may_read(path: Path) -> bool:
    """Say whether a file may be read with the rights of this moment."""
    return os.access(path, os.R_OK, effective_ids=True)
