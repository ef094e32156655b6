"""Cameras and sensors that are pulled while they are in use, and come back."""

from __future__ import annotations

import pytest

from hil.site import PULSE, Site

EVERY = 'publish = { mode = "every_inference" }'
BEAT = 'publish = { mode = "events", heartbeat_s = 1.0 }'


@pytest.mark.parametrize(
    ("what", "more"),
    [("camera", f'model = {{ pack = "village-road" }}\n{EVERY}'), ("serial", BEAT)],
)
def test_what_is_pulled_is_missed_and_taken_back(site: Site, what: str, more: str) -> None:
    device = site.board.plug(what)
    device.insert()
    source = f'[[streams]]\nname = "{what}"\nsource = {device.source}\n{more}\n'
    site.configure(PULSE + source)
    site.hear_more(what)
    device.pull()
    site.see("it is missed", lambda: site.state_of(what) == "degraded", 60)
    reason = site.status()["streams"][what]["reason"]
    assert reason
    heard = len(site.records(what))
    site.hear_more("pulse", 20)
    assert len(site.records(what)) <= heard + 1
    device.insert()
    site.see("it is back", lambda: site.state_of(what) == "running", 120)
    site.hear_more(what)
    assert site.show("ActiveState", "NRestarts") == {"ActiveState": "active", "NRestarts": "0"}
    device.pull()
