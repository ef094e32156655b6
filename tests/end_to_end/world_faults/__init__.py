"""Faults of the world around a board, each planted, and whether the cause that is named is it."""
