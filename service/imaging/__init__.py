"""Bytes to pictures, pictures to images of the model's size, maps to pictures."""
