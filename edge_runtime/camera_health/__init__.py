"""Whether a camera still sees what it is there for: faults found on the gate's small picture.

Pure but for `reference_file.py`: no clock, no thread; time comes with the frames. A frame is made
small (`picture.py`), averaged and held against what the camera saw at such times of day
(`cells.py`, `reference.py`); one look's verdict (`faults.py`) is declared once it lasts
(`declaring.py`).
"""
