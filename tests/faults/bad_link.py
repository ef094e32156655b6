"""A link that breaks, lags and swallows, at random, until it is made good."""

from __future__ import annotations

import random
import threading

from support.proxy import Proxy

LONGEST_DELAY_S = 0.15
QUIET_S = (0.1, 2.0)


class BadLink:
    """A proxy to a broker with trouble of its own. Use as a context manager."""

    def __init__(self, broker_port: int, chance: random.Random) -> None:
        self.cuts = 0
        self._proxy = Proxy(broker_port)
        self._chance = chance
        self._good = threading.Event()
        self._thread = threading.Thread(target=self._trouble, daemon=True)

    @property
    def port(self) -> int:
        return self._proxy.port

    def make_good(self) -> None:
        """End the trouble; what was swallowed stays lost."""
        self._good.set()
        self._thread.join()
        self._proxy.delay_s = 0.0
        self._proxy.forward()

    def __enter__(self) -> BadLink:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._good.set()
        self._thread.join()
        self._proxy.close()

    def _trouble(self) -> None:
        while not self._good.wait(self._chance.uniform(*QUIET_S)):
            match self._chance.choice(("cut", "delay", "delay", "pass", "swallow")):
                case "cut":
                    self.cuts += 1
                    self._proxy.cut()
                case "delay":
                    self._proxy.delay_s = self._chance.uniform(0.0, LONGEST_DELAY_S)
                case "pass":
                    self._proxy.delay_s = 0.0
                case "swallow":
                    self._proxy.swallow()
                    self._good.wait(self._chance.uniform(*QUIET_S) / 4)
                    self.cuts += 1
                    self._proxy.forward()
