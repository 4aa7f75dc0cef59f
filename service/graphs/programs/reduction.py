"""Turn what the classifier answers into the few numbers that are wanted."""

SINGLE_LABEL_SCALARS = """
single_label_scalars (float[N,C] logits, float[C,1] cotangent) => (float[N] logit, float[N] probability)
<int64[1] flat = {-1}>
{
  logit_column = MatMul (logits, cotangent)
  logit = Reshape (logit_column, flat)
  probabilities = Softmax <axis: int = 1> (logits)
  probability_column = MatMul (probabilities, cotangent)
  probability = Reshape (probability_column, flat)
}
"""
"""For a one-hot *cotangent*: the target's logit and its softmax probability."""

SIGMOID_SCALARS = """
sigmoid_scalars (float[N,C] logits, float[C,1] cotangent) => (float[N] logit, float[N] probability)
<int64[1] flat = {-1}>
{
  logit_column = MatMul (logits, cotangent)
  logit = Reshape (logit_column, flat)
  probability = Sigmoid (logit)
}
"""
"""Multi-label targets, and contrasts: the probability of the target when only the two are possible."""

GRADIENT_MAGNITUDE = """
gradient_magnitude (float[1,C,H,W] gradient) => (float[H,W] map)
<int64[2] batch_and_channel = {0, 1}>
{
  magnitude = Abs (gradient)
  map = ReduceMax <keepdims: int = 0> (magnitude, batch_and_channel)
}
"""
"""The largest of the three channels' absolute gradients (Simonyan et al. 2013, section 3.1)."""
