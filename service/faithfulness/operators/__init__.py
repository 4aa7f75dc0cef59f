"""Ways to remove a part of an image, one per file; every one of them leaves its own traces."""
