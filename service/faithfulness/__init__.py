"""The receipt: how faithful a saliency map is to a model on one image, relative to chance."""
