"""Child processes for what may crash, hang or fill the memory: each costs its own stream alone.

A network camera's answer, a picture or a video file is a stranger's bytes, and a model's file may
loop or take gigabytes. Neither FFmpeg, OpenCV nor LiteRT can be interrupted inside a process, so
they run in children that can be killed: bounded in memory, first in line when memory runs out.

Children are forked from one template process that has imported what they need: a fork costs a few
milliseconds and shares the imported pages, a fresh interpreter costs 300 ms of CPU and 60 MiB.
Pictures pass through shared memory (`frames.py`), everything else through a socket (`channel.py`).
"""
