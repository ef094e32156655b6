"""What a board decided, and on what: a ring on disk that answers why there was an alarm, or none.

No pixels: gate, scores, tracks with their positions, events, states, in a few bytes each.
"""
