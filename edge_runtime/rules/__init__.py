"""Rules: tracks in, events and counts out. One file a kind; `build.KINDS` lists them."""
