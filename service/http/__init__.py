"""The HTTP edge: every route decodes, calls the engine and encodes, and nothing else."""
