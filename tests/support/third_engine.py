"""An inference engine that the product does not know: its files are recordings, named `.third`."""

from __future__ import annotations

from pathlib import Path

from edge_runtime.errors import Text
from edge_runtime.infer.base import Backend, Engine
from edge_runtime.infer.canned import load_canned
from edge_runtime.infer.placement import DelegatePlacement
from edge_runtime.options import DelegateOptions

NAME = "third"
ENTRY = f"{__name__}:ENGINE"


class ThirdEngine(Engine):
    """An engine whose library is always here."""

    name = NAME
    package = "third-engine"
    suffixes = (".third",)
    install = "pip install third-engine"

    def is_installed(self) -> bool:
        return True

    def version(self) -> str:
        return "3.0"

    def load(
        self, weights: Path, *, delegate: DelegateOptions | None = None, threads: int = 1
    ) -> Backend:
        return load_canned(weights, repeat=True)

    def measure_delegate(
        self, weights: Path, delegate: DelegateOptions
    ) -> DelegatePlacement | None:
        return None

    def crash_advice(self, weights: Path, delegate: DelegateOptions | None) -> Text:
        return Text("record it again")

    def fingerprint(self, delegate: DelegateOptions | None) -> tuple[str, ...]:
        return (self.title,)


ENGINE = ThirdEngine()
