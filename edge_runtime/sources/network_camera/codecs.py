"""Whether this build of FFmpeg can decode a codec: it is given one picture of it."""

from __future__ import annotations

import base64
import os

from edge_runtime.sources import capture

# One black picture of 64x64, made with `ffmpeg -f lavfi -i color=black:s=64x64 -frames:v 1`.
SAMPLES = {
    "H264": (
        "AAAAAWdkAAqs2UQmwEQAAAMABAAAAwDIPEiWWAAAAAFo6+PLIsAAAAFliIQAK//+9nN8CmttsJUuBXb2ljct"
        "PO9ZoHwD/GUB"
    ),
    "H265": (
        "AAAAAUABDAH//wFgAAADAJAAAAMAAAMAHpWYCQAAAAFCAQEBYAAAAwCQAAADAAADAB6gIIEFllZpJMrwFoCA"
        "AAADAIAAAAyEAAAAAUQBwXK0IkAAAAEoAa8dgPcBW//yTv7M8A=="
    ),
}


def can_decode(codec: str) -> bool:
    """Say whether a picture of a codec comes out; True where there is no sample of it."""
    sample = SAMPLES.get(codec)
    if sample is None:
        return True
    file = os.memfd_create("codec-sample", os.MFD_CLOEXEC)
    try:
        os.write(file, base64.b64decode(sample))
        opened = capture.open_file(f"/proc/self/fd/{file}")
        try:
            return opened.isOpened() and opened.grab() and capture.retrieve(opened) is not None
        finally:
            opened.release()
    finally:
        os.close(file)
