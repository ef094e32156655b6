"""Where a technician learns: simulated sites with one fault each, which the person mends."""
