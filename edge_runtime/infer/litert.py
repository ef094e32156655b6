"""The engine `litert`: Google's successor of tflite-runtime, with wheels for 64-bit boards."""

from __future__ import annotations

from edge_runtime.errors import Text
from edge_runtime.infer.tflite import TFLiteEngine

ENGINE = TFLiteEngine(
    name="litert",
    package="ai-edge-litert",
    module="ai_edge_litert",
    install="pip install ai-edge-litert",
    damaged=Text("the file may be damaged: pull or import it again"),
)
