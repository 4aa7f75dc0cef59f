"""Offline: train classifiers whose saliency maps deserve good receipts, and export them. The only place for torch."""
