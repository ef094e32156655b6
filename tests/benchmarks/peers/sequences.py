"""Sequences of boxes with their annotations, as MOTChallenge lays them out.

A sequence is a folder with `det.txt`, `gt.txt` (lines: frame, id, left, top, width, height, score)
and `seqinfo.ini` (size, rate, length). Read with the standard library alone: the project's own
environment does it, and the peers'.
"""

from __future__ import annotations

import configparser
from dataclasses import dataclass
from pathlib import Path

Row = tuple[float, float, float, float, float]  # left, top, width, height, score
Given = list[list[tuple[int, int]]]  # by frame: which detection got which id


@dataclass(frozen=True)
class Sequence:
    """Every so many-th frame of a sequence, numbered anew."""

    name: str
    width: int
    height: int
    rate_fps: float
    detections: list[list[Row]]  # by frame, the best first
    annotations: list[str]  # lines of gt.txt

    def write(self, gt: Path) -> None:
        """Write the annotations to where TrackEval looks for them."""
        file = gt / self.name / "gt" / "gt.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{line}\n" for line in self.annotations))

    def write_tracks(self, results: Path, given: Given) -> None:
        """Write what a tracker made of the detections to where TrackEval looks for it."""
        file = results / "data" / f"{self.name}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w") as out:
            for number, (rows, frame) in enumerate(zip(self.detections, given, strict=True), 1):
                for index, track in frame:
                    left, top, width, height, score = rows[index]
                    out.write(f"{number},{track},{left},{top},{width},{height},{score},-1,-1,-1\n")


def folders_of(folder: Path) -> list[Path]:
    """Return the sequences that a folder is or holds."""
    if (folder / "seqinfo.ini").exists():
        return [folder]
    return sorted(each.parent for each in folder.glob("*/seqinfo.ini"))


def read(folder: Path, every: int) -> Sequence:
    """Read every so many-th frame of a sequence."""
    parser = configparser.ConfigParser()
    parser.read(folder / "seqinfo.ini")
    info = parser["Sequence"]
    shown = range(1, int(info["seqLength"]) + 1, every)
    detections: list[list[Row]] = [[] for _ in shown]
    for line in lines(folder / "det.txt"):
        frame, _, left, top, width, height, score = (float(each) for each in line.split(",")[:7])
        if int(frame) in shown:
            detections[shown.index(int(frame))].append((left, top, width, height, score))
    annotations = []
    for line in lines(folder / "gt.txt"):
        number, rest = line.split(",", 1)
        if int(number) in shown:
            annotations.append(f"{shown.index(int(number)) + 1},{rest}")
    return Sequence(
        folder.name, int(info["imWidth"]), int(info["imHeight"]), float(info["frameRate"]) / every,
        [sorted(rows, key=lambda row: -row[4]) for rows in detections], annotations,
    )  # fmt: skip


def lines(file: Path) -> list[str]:
    return [line for line in file.read_text().splitlines() if line.strip()]
