"""What happens to one stream: capture, gate, inference by any worker, order, decisions, results."""
