"""The project's exercises, one file each; `catalogue.ORDER` says in which order."""
