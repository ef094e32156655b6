"""Measures the pipeline against a bare loop, by turns: rounds, their figures, the report."""
