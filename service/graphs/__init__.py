"""ONNX in, ONNX out: the classifier's derivative and the perturbation programs, as standard operators."""
