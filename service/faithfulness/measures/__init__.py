"""What else can be asked of a map, beside the curves: magnitudes, stability, place. None of it decides the verdict."""
