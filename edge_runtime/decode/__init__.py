"""Output tensors to records: one file a kind of model."""
