"""Worlds for sources that need no hardware: a village road, a machine with an accelerometer."""
