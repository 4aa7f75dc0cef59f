"""Weigh the last feature maps by what their gradients say, and enlarge the sum to the image's size.

All take ``features`` A and ``feature_gradient`` G of one image, ``[1, K, h, w]``, and two matrices that
interpolate from ``[h, w]`` to ``[H, W]``. All keep the sign: negative is evidence against the target.
"""


def _program(name: str, weigh: str) -> str:
    """Complete *weigh*, which computes ``weighted [1, K, h, w]``."""
    return f"""
{name} (
  float[1,K,h,w] features, float[1,K,h,w] feature_gradient, float[H,h] rows, float[w,W] columns
) => (float[H,W] map)
<int64[2] space = {{2, 3}}, int64[2] batch_and_channel = {{0, 1}}, float two = {{2.0}}, float tiny = {{1e-30}}>
{{
  {weigh.strip()}
  coarse = ReduceSum <keepdims: int = 0> (weighted, batch_and_channel)
  taller = MatMul (rows, coarse)
  map = MatMul (taller, columns)
}}
"""


GRAD_CAM = _program(
    "grad_cam",
    """
  weight = ReduceMean <keepdims: int = 1> (feature_gradient, space)
  weighted = Mul (features, weight)
""",
)
"""``sum_k mean(G_k) A_k`` (Selvaraju et al. 2017, equations 1 and 2, without the closing ReLU)."""

X_GRAD_CAM = _program(
    "x_grad_cam",
    """
  product = Mul (features, feature_gradient)
  evidence = ReduceSum <keepdims: int = 1> (product, space)
  activation = ReduceSum <keepdims: int = 1> (features, space)
  size = Abs (activation)
  is_dead = Less (size, tiny)
  safe_activation = Where (is_dead, tiny, activation)
  weight = Div (evidence, safe_activation)
  weighted = Mul (features, weight)
""",
)
"""``sum_k (sum A_k G_k / sum A_k) A_k`` (Fu et al. 2020, equation 7); a map that is 0 everywhere stays 0."""

LAYER_CAM = _program(
    "layer_cam",
    """
  positive = Relu (feature_gradient)
  weighted = Mul (features, positive)
""",
)
"""``sum_k relu(G_k) * A_k``, element by element (Jiang et al. 2021, equations 4 and 5)."""

GRAD_CAM_PLUS_PLUS = _program(
    "grad_cam_plus_plus",
    """
  square = Mul (feature_gradient, feature_gradient)
  cube = Mul (square, feature_gradient)
  activation = ReduceSum <keepdims: int = 1> (features, space)
  twice_square = Mul (square, two)
  third_order = Mul (activation, cube)
  divisor = Add (twice_square, third_order)
  size = Abs (divisor)
  is_zero = Less (size, tiny)
  safe_divisor = Where (is_zero, two, divisor)
  alpha = Div (square, safe_divisor)
  positive = Relu (feature_gradient)
  share = Mul (alpha, positive)
  weight = ReduceSum <keepdims: int = 1> (share, space)
  weighted = Mul (features, weight)
""",
)
"""``sum_k (sum alpha_k relu(G_k)) A_k`` with ``alpha = G^2 / (2 G^2 + sum(A) G^3)``.

Chattopadhay et al. 2018, equations 10 and 19; alpha is 0 where G is.
"""

ATTENTION_RELEVANCE = """
attention_relevance (float[1,1,h,w] relevance, float[H,h] rows, float[w,W] columns) => (float[H,W] map)
<int64[2] batch_and_channel = {0, 1}>
{
  coarse = Squeeze (relevance, batch_and_channel)
  taller = MatMul (rows, coarse)
  map = MatMul (taller, columns)
}
"""
"""Only enlarges; the relevance of the patches comes from the classifier's own graph."""
