"""The process on the board: lifecycle, supervision, commands, status, health, uplink."""
