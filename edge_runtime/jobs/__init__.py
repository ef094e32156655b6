"""What single commands run, never the daemon: learn, record, replay, draw."""
