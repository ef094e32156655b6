"""Which model made a row: each is stored once, under a key made of its content."""

from __future__ import annotations

from zlib import crc32

import msgspec

from edge_runtime.outbox.rows import Damaged, Table, seal, unseal
from edge_runtime.outbox.store import Store
from edge_runtime.records import NO_MODEL, ModelRef


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """A model and the last boot that used it."""

    name: str
    sha256: str
    labels: tuple[str, ...]
    boot: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Entry).decode


class Models:
    """All models of the rows on disk, in memory: they are few. The writer's thread alone."""

    def __init__(self, boot: int) -> None:
        self._boot = boot
        self._keys: dict[ModelRef, int] = {}
        self._models: dict[int, tuple[ModelRef, int]] = {}
        self._unsaved: set[int] = set()

    def load(self, store: Store) -> None:
        """Read the table. What memory knew before will be saved to it."""
        here = set(self._models)
        for key, data in store.read(Table.MODEL):
            self.adopt(key, unpack_model(key, data))
            here.discard(key)
        self._unsaved = here

    def adopt(self, key: int, entry: Entry) -> None:
        """Take over a model under its key, to be saved."""
        if key in self._models:
            return
        ref = ModelRef(entry.name, entry.sha256, entry.labels)
        self._models[key] = ref, entry.boot
        self._keys[ref] = key
        self._unsaved.add(key)

    def key(self, ref: ModelRef) -> int:
        """Return a model's key; one that this boot did not use yet will be saved."""
        key = self._keys.get(ref)
        if key is None:
            key = crc32("\0".join((ref.name, ref.sha256, *ref.labels)).encode())
            while key in self._models:
                key += 1
        if key not in self._models or self._models[key][1] != self._boot:
            self._models[key] = ref, self._boot
            self._keys[ref] = key
            self._unsaved.add(key)
        return key

    def get(self, key: int) -> ModelRef:
        """Return a model; NO_MODEL where a corruption took it."""
        return self._models[key][0] if key in self._models else NO_MODEL

    def save(self, store: Store) -> None:
        """Write what is new. It stays unsaved until `saved`."""
        rows = []
        for key in self._unsaved:
            ref, boot = self._models[key]
            rows.append((key, _encode(Entry(ref.name, ref.sha256, ref.labels, boot))))
        if rows:
            store.put(Table.MODEL, [(key, seal(Table.MODEL, key, data)) for key, data in rows])

    def saved(self) -> None:
        """Note that the transaction went through."""
        self._unsaved.clear()

    def forget_before(self, boot: int, store: Store) -> None:
        """Delete models that no row can refer to: last used before the oldest row's boot."""
        for key in [k for k, (_, used) in self._models.items() if used < boot]:
            ref, _ = self._models.pop(key)
            self._keys.pop(ref, None)
            self._unsaved.discard(key)
            store.delete(Table.MODEL, key - 1, key)


def unpack_model(key: int, data: bytes) -> Entry:
    """Check and decode a model; raise Damaged."""
    try:
        return _decode(unseal(key, data)[1])
    except (ValueError, msgspec.MsgspecError) as error:
        raise Damaged(f"model {key}: {error}") from error
