"""The board itself: its vital signs, and the service manager that keeps the daemon alive."""
