"""What the places in a row stand for, as configured when it was made: model, labels, rules.

Each such revision of the names is stored once, under a key made of its content; rows bear the key.
"""

from __future__ import annotations

from zlib import crc32

import msgspec

from edge_runtime.labels import LISTED_BYTES, listed_bytes
from edge_runtime.outbox.rows import Damaged, OwnLabels, RowTable, add_crc, check_crc
from edge_runtime.outbox.store import Store
from edge_runtime.records import NO_MODEL, Body, ModelRef

MOST_KNOWN = 256


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """A revision on disk, and the last boot that used it. Format 1 had no `rules`."""

    name: str
    sha256: str
    labels: tuple[str, ...]
    boot: int
    rules: tuple[str, ...] = ()


class Revision(msgspec.Struct, frozen=True):
    """The names of a stream's records; the labels are left out where rows bear their own."""

    model: ModelRef = NO_MODEL
    rules: tuple[str, ...] = ()


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Entry).decode
LOST = Revision()


class Names:
    """All revisions of the rows on disk, in memory: they are few. The writer's thread alone."""

    def __init__(self, boot: int) -> None:
        self._boot = boot
        self._keys: dict[Revision, int] = {}
        self._revisions: dict[int, tuple[Revision, int]] = {}
        self._unsaved: set[int] = set()
        # By the identity of what producers hold: to compare 20,000 labels a record is dear.
        self._known: dict[tuple[int, int], tuple[ModelRef, tuple[str, ...], int, bool]] = {}

    def load(self, store: Store) -> None:
        """Read the table. What memory knew before will be saved to it."""
        here = set(self._revisions)
        for key, data in store.read(RowTable.MODEL):
            self.adopt(key, unpack_names(key, data))
            here.discard(key)
        self._unsaved = here

    def adopt(self, key: int, entry: Entry) -> None:
        """Take over a revision under its key, to be saved."""
        if key in self._revisions:
            return
        revision = Revision(ModelRef(entry.name, entry.sha256, entry.labels), entry.rules)
        self._revisions[key] = revision, entry.boot
        self._keys[revision] = key
        self._unsaved.add(key)

    def of(self, model: ModelRef, rules: tuple[str, ...], body: Body) -> int | OwnLabels:
        """Return what a row of this boot bears for its names; new ones will be saved."""
        known = self._known.get((id(model), id(rules)))
        key, is_listed = known[2:] if known is not None else self._learn(model, rules)
        if is_listed:
            return key
        most = len(model.labels)
        labels = {place: model.labels[place] for place in body.class_ids() if 0 <= place < most}
        return OwnLabels(key, labels)

    def use(self, key: int) -> None:
        """Note that a row of this boot bears the names of an earlier one."""
        if key in self._revisions and self._revisions[key][1] != self._boot:
            self._revisions[key] = self._revisions[key][0], self._boot
            self._unsaved.add(key)

    def get(self, key: int) -> Revision:
        """Return a revision; one without names where a corruption took it."""
        return self._revisions.get(key, (LOST, 0))[0]

    def save(self, store: Store) -> None:
        """Write what is new. It stays unsaved until `saved`."""
        rows = []
        for key in self._unsaved:
            revision, boot = self._revisions[key]
            model = revision.model
            entry = Entry(model.name, model.sha256, model.labels, boot, revision.rules)
            data = _encode(entry)
            rows.append((key, add_crc(RowTable.MODEL, key, data)))
        if rows:
            store.put(RowTable.MODEL, rows)

    def saved(self) -> None:
        """Note that the transaction went through."""
        self._unsaved.clear()

    def forget_before(self, boot: int, store: Store) -> None:
        """Delete revisions that no row can refer to: last used before the oldest row's boot."""
        for key in [k for k, (_, used) in self._revisions.items() if used < boot]:
            revision, _ = self._revisions.pop(key)
            self._keys.pop(revision, None)
            self._unsaved.discard(key)
            store.delete(RowTable.MODEL, key - 1, key)

    def _learn(self, model: ModelRef, rules: tuple[str, ...]) -> tuple[int, bool]:
        """Find or make the revision of what a producer holds; say whether it lists the labels."""
        is_listed = listed_bytes(model.labels) <= LISTED_BYTES
        listed = model if is_listed else ModelRef(model.name, model.sha256)
        revision = Revision(listed, rules)
        key = self._keys.get(revision)
        if key is None:
            key = key_of(revision)
            while key in self._revisions:
                key += 1
            self._keys[revision] = key
            self._revisions[key] = revision, 0
        self.use(key)
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[id(model), id(rules)] = model, rules, key, is_listed
        return key, is_listed


def key_of(revision: Revision) -> int:
    """Return the key of a revision; without rules it is that of format 1."""
    model = revision.model
    text = "\0".join((model.name, model.sha256, *model.labels))
    if revision.rules:
        text += "\1" + "\0".join(revision.rules)
    return crc32(text.encode())


def unpack_names(key: int, data: bytes) -> Entry:
    """Check and decode a revision; raise Damaged."""
    try:
        return _decode(check_crc(key, data)[1])
    except (ValueError, msgspec.MsgspecError) as error:
        raise Damaged(f"names {key}: {error}") from error
