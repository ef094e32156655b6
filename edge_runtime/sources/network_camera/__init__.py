"""A camera that is reached over the network: its address, and why it gives no video."""
