"""Tensor in, tensors out: the inference engines."""
