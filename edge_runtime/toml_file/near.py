"""Did you mean …: the nearest of the words that are known, by spelling or by what people say."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

# What the field calls our options and kinds. The first that is known where the word stands counts.
SAID = {
    "address": ("url", "device"),
    "area": ("polygon", "min_area", "zone"),
    "baud_rate": ("baud",),
    "baudrate": ("baud",),
    "broker_url": ("url",),
    "ca": ("ca_file",),
    "ca_cert": ("ca_file",),
    "cafile": ("ca_file",),
    "camera": ("device", "source"),
    "cert": ("cert_file",),
    "channels": ("columns", "fields", "registers", "values"),
    "classes": ("labels",),
    "conf": ("min_score",),
    "confidence": ("min_score",),
    "coordinates": ("polygon",),
    "corners": ("polygon",),
    "csv": ("lines",),
    "data_bits": ("bytesize",),
    "databits": ("bytesize",),
    "deadband": ("dead_band",),
    "device": ("url", "path"),
    "duration": ("after_s", "every_s"),
    "duration_s": ("after_s", "every_s"),
    "file": ("path", "video"),
    "filename": ("path",),
    "folder": ("path", "images"),
    "engine": ("inference",),
    "fps": ("rate_fps",),
    "frame_rate": ("rate_fps",),
    "framerate": ("rate_fps",),
    "from": ("start",),
    "height": ("altitude",),
    "high": ("above",),
    "host": ("url",),
    "hz": ("rate_hz",),
    "id": ("name", "device"),
    "input": ("source",),
    "interval": ("every_s",),
    "interval_s": ("every_s",),
    "ip": ("url", "device"),
    "keepalive": ("keepalive_s",),
    "key": ("key_file",),
    "label": ("labels",),
    "limit": ("above", "max_mb"),
    "lines": ("rules",),
    "location": ("site",),
    "login": ("username",),
    "low": ("below",),
    "max_size": ("max_mb",),
    "max_size_mb": ("max_mb",),
    "modbus": ("serial",),
    "modbus_id": ("device",),
    "mp4": ("video",),
    "mqtt": ("broker",),
    "pass": ("password_file",),
    "passwd": ("password_file",),
    "password": ("password_file",),
    "path": ("url", "device"),
    "period": ("every_s",),
    "photos": ("images",),
    "pictures": ("images",),
    "points": ("polygon",),
    "port": ("url",),
    "rate": ("rate_fps", "rate_hz", "baud"),
    "register": ("address", "registers"),
    "resolution": ("width",),
    "rs485": ("serial",),
    "rtsp": ("camera",),
    "rtu": ("modbus",),
    "sample_rate": ("rate_hz",),
    "score": ("min_score",),
    "server": ("url", "broker"),
    "site_name": ("site",),
    "size": ("width", "max_mb"),
    "size_mb": ("max_mb",),
    "slave": ("device",),
    "slave_id": ("device",),
    "stop_bits": ("stopbits",),
    "storage": ("outbox",),
    "stream": ("streams", "device"),
    "thresh": ("min_score", "threshold"),
    "threshold": ("min_score", "above"),
    "timeout": ("timeout_s", "read_timeout_s", "connect_timeout_s"),
    "to": ("end",),
    "tripwire": ("line",),
    "type": ("kind",),
    "uart": ("serial",),
    "unit_id": ("device",),
    "uri": ("url", "device"),
    "url": ("device", "path"),
    "usb": ("camera",),
    "user": ("username",),
    "v4l2": ("camera",),
    "vertices": ("polygon",),
    "webcam": ("camera",),
    "weights": ("pack",),
    "zones": ("rules",),
}
LONG_FOR = ("_s", "_mb", "_hz", "_fps", "_file", "_bytes")  # units that are left out


def suggestion(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is meant most likely; None where none is near."""
    words = list(dict.fromkeys(known))
    plain = plainly(word).replace("-", "_")
    alike = {plainly(one).replace("-", "_"): one for one in words}
    if plain in alike:
        return alike[plain]
    said = next((one for one in SAID.get(plain, ()) if one in words), None)
    if said is not None:
        return said
    for unit in LONG_FOR:
        if plain + unit in alike:
            return alike[plain + unit]
    return nearest(plain, list(alike), alike)


def nearest(plain: str, candidates: Sequence[str], alike: dict[str, str]) -> str | None:
    import difflib  # for a mistake alone

    found = difflib.get_close_matches(plain[:64], candidates, n=1, cutoff=0.7)
    return alike[found[0]] if found else None


def plainly(word: str) -> str:
    """Return a word in small letters without accents, as people compare words."""
    parts = unicodedata.normalize("NFD", word.replace("đ", "d").replace("Đ", "D"))
    return "".join(one for one in parts if not unicodedata.combining(one)).strip().lower()
