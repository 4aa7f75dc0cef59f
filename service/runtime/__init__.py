"""ONNX Runtime: provider choice, sessions, device tensors, the scheduler of forward passes."""
