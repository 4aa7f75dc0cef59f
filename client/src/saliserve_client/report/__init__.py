"""A scored table as one HTML page: distributions, classes, and the pictures worth looking at."""
