"""A claim as a QR code: on the terminal, and as a picture to print or send."""

from __future__ import annotations

import io
from typing import TextIO

import segno


def show(text: str, out: TextIO) -> None:
    """Draw on a terminal, two modules a character."""
    made(text).terminal(out, compact=True)


def png(text: str) -> bytes:
    """Return a picture, 6 pixels a module: sharp on paper and on a telephone."""
    data = io.BytesIO()
    made(text).save(data, kind="png", scale=6)
    return data.getvalue()


def made(text: str) -> segno.QRCode:
    """Error correction M: paper in the field gets dirty."""
    return segno.make_qr(text, error="m", boost_error=False)
