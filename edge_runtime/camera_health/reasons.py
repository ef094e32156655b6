"""What is said of each fault of a camera: what is wrong, and what to do."""

from __future__ import annotations

from edge_runtime.errors import EMPTY, Text
from edge_runtime.records import CameraReason

TEXTS: dict[CameraReason, Text] = {
    "": EMPTY,
    "frozen": Text(
        "the camera has been sending one and the same picture: switch it off and on again; if that "
        "does not help, look for new firmware"
    ),
    "covered": Text(
        "the camera sees nothing of its scene any more: take away what hangs or lies before the "
        "lens; at night see whether the lamp works"
    ),
    "moved": Text(
        "the camera looks elsewhere than before: turn it back and fix it; if it is right as it is, "
        "run `edge-runtime camera accept` and look whether zones and lines still fit"
    ),
    "blurred": Text(
        "the picture has lost its sharpness: wipe the lens, inside the housing too where it is "
        "fogged, then set the focus; in fog it comes back by itself"
    ),
    "dirty": Text(
        "parts of the picture have lost their detail: wipe the lens or its glass, and take cobwebs "
        "away; if something stands there for good, run `edge-runtime camera accept`"
    ),
    "dark": Text(
        "it is too dark to see anything: see whether the street lamp or the camera's own lamp "
        "works, and whether something covers the lens"
    ),
    "overexposed": Text(
        "the picture is blown out: see whether sun or a lamp shines into the lens; set the "
        "camera's exposure back to automatic"
    ),
    "glare": Text(
        "a light dazzles the camera: shade the lens, turn the lamp away, and wipe the glass, on "
        "which dust and cobwebs shine"
    ),
    "insects": Text(
        "the picture is full of bright specks: insects, rain or snow in the lamp's light. Move the "
        "lamp away from the lens, and take cobwebs away"
    ),
}
