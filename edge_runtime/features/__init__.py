"""Windows of a signal to the numbers that a model takes. numpy alone, vectorised over windows."""
