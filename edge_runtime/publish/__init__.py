"""Delivery: `contract` says what publishers need and do; `mqtt` and `stdout` are the two.

`mqtt` connects again and again, `session` is one connection's life, `link` is the socket (paho).
"""
