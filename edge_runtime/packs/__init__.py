"""Model packs: what a folder of weights says of itself, and how it gets onto the device."""
