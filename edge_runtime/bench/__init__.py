"""Measures the pipeline against a bare loop, alternating: rounds, their figures, the report."""
