"""The engine `tflite-runtime`: the last TensorFlow Lite for 32-bit Arm, and for stacks tied to it.

It does not check a model's file: a damaged one may crash it.
"""

from __future__ import annotations

from edge_runtime.errors import Text
from edge_runtime.infer.tflite import TFLiteEngine

ENGINE = TFLiteEngine(
    name="tflite-runtime",
    package="tflite-runtime",
    module="tflite_runtime",
    # It was built for numpy 1: with numpy 2 the import works and the interpreter fails.
    install="pip install tflite-runtime 'numpy<2' 'opencv-python-headless<4.12'",
    damaged=Text(
        "it is the file that the pack names, so that pulling it again changes nothing: use the "
        "engine litert, convert the model anew, or use another pack"
    ),
)
