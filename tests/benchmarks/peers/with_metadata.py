"""Writes a copy of the SSD model with the metadata that MediaPipe and the Task Library ask for.

python with_metadata.py WEIGHTS LABELS COPY   (in the Task Library's environment)
"""

from __future__ import annotations

import sys
from pathlib import Path

from tflite_support.metadata_writers import object_detector, writer_utils

weights, labels, copy = sys.argv[1:]
names = Path(copy).with_name("labels.txt")
names.write_text("\n".join(Path(labels).read_text().splitlines()[1:]))  # line 0: background
writer = object_detector.MetadataWriter.create_for_inference(
    writer_utils.load_file(weights), [127.5], [127.5], [str(names)]
)
writer_utils.save_file(writer.populate(), copy)
