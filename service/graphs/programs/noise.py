"""Gaussian noise without the state of a generator: sample n of a seed is the same on any provider.

Uniform numbers come from Squares, a hash of a counter under a key; Box and Muller's transform
makes them normal. The published C code rotates and shifts by 32 bits, for which ONNX Runtime has
no CUDA kernels; here both are products with and quotients by 2^32 on uint64, which wrap around.
"""

import numpy as np


def noise_key(seed: int) -> np.uint64:
    """Spread a seed over the 64 bits of a key, so that neighbouring seeds have unrelated noise.

    Args:
        seed: Of the request; its lowest 64 bits count.

    Returns:
        An odd number: multiplication by it loses no counter.

    Examples:
        >>> hex(noise_key(0)), hex(noise_key(1))
        ('0xe220a8397b1dcdaf', '0x910a2dec89025cc1')

    References:
        Steele, Lea, Flood. "Fast Splittable Pseudorandom Number Generators" (SplitMix64), OOPSLA 2014.
    """
    word = 2**64 - 1
    mixed = (seed + 0x9E3779B97F4A7C15) & word
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & word
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & word
    return np.uint64((mixed ^ (mixed >> 31)) | 1)


def _round(number: int, added: str) -> str:
    """``sum = x * x + added; x = rotate(sum)``."""
    x = f"x_{number - 1}"
    return f"""
  square_{number} = Mul ({x}, {x})
  sum_{number} = Add (square_{number}, {added})
  upper_{number} = Div (sum_{number}, half_range)
  lower_{number} = Mul (sum_{number}, half_range)
  x_{number} = Add (upper_{number}, lower_{number})"""


NOISE = f"""
noise (float[1,C,H,W] image, float deviation, int64[N] sample, uint64 key) => (float[N,C,H,W] images)
<
  uint64 half_range = {{4294967296}}, uint64 cut = {{2199023255552}},
  int64 zero = {{0}}, int64 one = {{1}}, int64 two = {{2}},
  int64[2] as_column = {{-1, 1}}, int64[1] numbers = {{1}}, int64[1] first = {{0}}, int64[1] any = {{-1}},
  float half = {{0.5}}, float grain = {{1.1920928955078125e-07}}, float minus_two = {{-2}}, float turn = {{6.2831854820251465}}
>
{{
  size = Size (image)
  size_and_one = Add (size, one)
  pairs = Div (size_and_one, two)
  pair_signed = Range (zero, pairs, one)
  pair = Cast <to: int = 13> (pair_signed)
  sample_unsigned = Cast <to: int = 13> (sample)
  sample_column = Reshape (sample_unsigned, as_column)
  sample_start = Mul (sample_column, half_range)
  counter = Add (sample_start, pair)
  x_0 = Mul (counter, key)
  z = Add (x_0, key){_round(1, "x_0")}{_round(2, "z")}{_round(3, "x_0")}{_round(4, "z")}
  square_5 = Mul (x_4, x_4)
  sum_5 = Add (square_5, x_0)
  radius_bits = Div (sum_4, cut)
  angle_bits = Div (sum_5, cut)
  radius_whole = Cast <to: int = 1> (radius_bits)
  angle_whole = Cast <to: int = 1> (angle_bits)
  radius_centre = Add (radius_whole, half)
  radius_uniform = Mul (radius_centre, grain)
  angle_uniform = Mul (angle_whole, grain)
  log = Log (radius_uniform)
  twice_log = Mul (log, minus_two)
  radius = Sqrt (twice_log)
  angle = Mul (angle_uniform, turn)
  cosine = Cos (angle)
  sine = Sin (angle)
  normal_first = Mul (radius, cosine)
  normal_second = Mul (radius, sine)
  normal_all = Concat <axis: int = 1> (normal_first, normal_second)
  end = Unsqueeze (size, first)
  normal_flat = Slice (normal_all, first, end, numbers)
  one_image = Shape <start: int = 1> (image)
  many_images = Concat <axis: int = 0> (any, one_image)
  normal = Reshape (normal_flat, many_images)
  shift = Mul (normal, deviation)
  images = Add (image, shift)
}}
"""
"""Image n is *image* plus normal noise number ``sample[n]`` with standard deviation *deviation*.

Round four gives the radius and round five the angle, 23 bits each, which float32 holds exactly: no
noise beyond 5.8 deviations. Sample numbers are from 0 to 2^31; *key* is :func:`noise_key` of the seed.

References:
    Widynski. "Squares: A Fast Counter-Based RNG", 2020. https://arxiv.org/abs/2004.06278
    Box, Muller. "A Note on the Generation of Random Normal Deviates", Annals of Mathematical Statistics, 1958.
"""
