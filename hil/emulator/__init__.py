"""What an emulated board is made of: its disk, its console, QEMU's own control."""
