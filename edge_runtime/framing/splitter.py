"""Cuts a stream at a delimiter, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from edge_runtime.framing.rows import Reason


class Splitter:
    """Pieces between delimiters, of at most `limit` bytes; a longer one is counted and left out.

    `starts_cut`: what comes before the first delimiter is the end of a piece whose beginning was
    missed, and may look valid ("3.5" of "23.5"): it is left out.
    """

    def __init__(
        self,
        delimiter: bytes,
        limit: int,
        lose: Callable[[Reason | None, int], None],
        *,
        starts_cut: bool = False,
    ) -> None:
        self._delimiter = delimiter
        self._limit = limit
        self._lose = lose
        self._starts_cut = starts_cut
        self.reset()

    def reset(self) -> None:
        """Forget the piece that has begun."""
        self._rest = b""
        self._is_cut = self._starts_cut

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Yield the pieces that `data` completes, without their delimiters."""
        *pieces, self._rest = (self._rest + data).split(self._delimiter)
        for piece in pieces:
            if self._is_cut:
                self._is_cut = False
                if piece:
                    self._lose(None, len(piece))
            elif len(piece) > self._limit:
                self._lose("length", len(piece))
            else:
                yield piece
        if len(self._rest) > self._limit:
            self._lose(None if self._is_cut else "length", len(self._rest))
            self._rest = b""
            self._is_cut = True
