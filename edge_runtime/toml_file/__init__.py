"""Reads a TOML file into typed structs: all that is wrong is said, each with place and cure."""

from edge_runtime.toml_file.faults import Fault, refuse, spoils
from edge_runtime.toml_file.near import suggestion
from edge_runtime.toml_file.reading import Tables, parse_toml, read_toml
from edge_runtime.toml_file.typing import part, typed, value_faults
from edge_runtime.toml_file.values import path_fault

__all__ = [
    "Fault",
    "Tables",
    "parse_toml",
    "part",
    "path_fault",
    "read_toml",
    "refuse",
    "spoils",
    "suggestion",
    "typed",
    "value_faults",
]
