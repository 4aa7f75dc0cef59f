"""Walk in a straight line from a baseline to the image, and add up what is met on the way."""

PATH = """
path (float[1,C,H,W] image, float[1,C,H,W] baseline, float[N] position) => (float[N,C,H,W] images)
<int64[4] as_column = {-1, 1, 1, 1}>
{
  alpha = Reshape (position, as_column)
  difference = Sub (image, baseline)
  step = Mul (alpha, difference)
  images = Add (baseline, step)
}
"""
"""Position 0 is the baseline, 1 the image."""

GRADIENT_SUM = """
gradient_sum (float[N,C,H,W] gradient, float[N] weight, double[1,C,H,W] total) => (double[1,C,H,W] new_total)
<int64[4] as_column = {-1, 1, 1, 1}, int64[1] batch = {0}>
{
  gradient_64 = Cast <to: int = 11> (gradient)
  weight_64 = Cast <to: int = 11> (weight)
  column = Reshape (weight_64, as_column)
  weighted = Mul (gradient_64, column)
  sum = ReduceSum <keepdims: int = 1> (weighted, batch)
  new_total = Add (total, sum)
}
"""

PATH_ATTRIBUTION = """
path_attribution (
  double[1,C,H,W] total, float[1,C,H,W] image, float[1,C,H,W] baseline
) => (float[H,W] attribution, double sum)
<int64[2] batch_and_channel = {0, 1}>
{
  difference = Sub (image, baseline)
  difference_64 = Cast <to: int = 11> (difference)
  product = Mul (total, difference_64)
  attribution_64 = ReduceSum <keepdims: int = 0> (product, batch_and_channel)
  attribution = Cast <to: int = 1> (attribution_64)
  sum = ReduceSum <keepdims: int = 0> (attribution_64)
}
"""
"""``(image - baseline) * mean gradient``, summed over the colour channels, and its sum over all pixels."""
