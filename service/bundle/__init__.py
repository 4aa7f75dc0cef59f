"""A model on disk: its manifest, its digests, how it is built and how it is read."""
