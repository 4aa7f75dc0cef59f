"""Data sets, all brought to one form: 8-bit pictures at the network's size, labels, and boxes where there are any."""
