"""Rules: tracks or channels in, events, counts, alarms out. One file a kind; `build` lists them."""
