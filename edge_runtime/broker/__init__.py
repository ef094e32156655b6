"""A broker as every client of it knows it: its address, TLS to it, and its reasons in words.

The device's publisher (`publish/`), subscribers (`consume/`), `doctor` and `provision` share it.
"""
