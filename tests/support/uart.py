"""What a UART makes of bytes that were sent at another rate than it reads at."""

from __future__ import annotations


def read_at(data: bytes, sent_baud: int, read_baud: int) -> bytes:
    """Return the bytes that a receiver at another baud sees: 8 data bits, no parity, 1 stop bit.

    It waits for a start bit, then samples in the middle of each of its own bits.
    """
    levels = []
    for byte in data:
        levels += [0, *(byte >> i & 1 for i in range(8)), 1]
    levels += [1] * 20

    def level(at_s: float) -> int:
        place = int(at_s * sent_baud)
        return levels[place] if place < len(levels) else 1

    end_s, step_s = len(levels) / sent_baud, 1.0 / (read_baud * 16)
    out, at_s = bytearray(), 0.0
    while at_s < end_s:
        if level(at_s):
            at_s += step_s
            continue
        bits = [level(at_s + (1.5 + i) / read_baud) for i in range(8)]
        out.append(sum(bit << i for i, bit in enumerate(bits)))
        at_s += 9.5 / read_baud
        while not level(at_s) and at_s < end_s:  # a break: it waits for the line to rest
            at_s += step_s
    return bytes(out)
