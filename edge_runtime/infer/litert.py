"""The engine `litert`: Google's successor of tflite-runtime, with wheels for 64-bit boards."""

from __future__ import annotations

from edge_runtime.errors import Text
from edge_runtime.infer.tflite import TFLiteEngine

ENGINE = TFLiteEngine(
    name="litert",
    package="ai-edge-litert",
    module="ai_edge_litert",
    install="pip install ai-edge-litert",
    damaged=Text(
        "it is the file that the pack names, so that pulling it again changes nothing: convert the "
        "model anew, or use another pack"
    ),
)
