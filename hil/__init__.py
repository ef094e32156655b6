"""The bench: one suite of field tests, on boards that are made, emulated or real."""
