"""Puts the stages together and runs them: pipeline, threads, restarts, health."""
