"""Delivery: `contract` says what publishers need and do; `mqtt` and `stdout` are the two.

`mqtt` connects again and again (`redial` says when), `session` is one connection's life, `link` is
the socket (paho). `refusals` outlives connections: what the broker does not take for now.
"""
