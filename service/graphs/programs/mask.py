"""Show one image through many soft masks: the less a mask keeps, the more of *baseline* is seen."""

_BLEND = """
  mask_of_every_channel = Unsqueeze (masks, channel)
  difference = Sub (image, baseline)
  kept = Mul (mask_of_every_channel, difference)
  images = Add (baseline, kept)
"""

_ROWS_AND_COLUMNS = """
  height = Shape <start: int = 2, end: int = 3> (image)
  width = Shape <start: int = 3, end: int = 4> (image)
  rows_end = Squeeze (height)
  columns_end = Squeeze (width)
  row = Range (zero, rows_end, one)
  column = Range (zero, columns_end, one)
"""

SHIFTED_GRIDS = f"""
shifted_grids (
  float[1,C,H,W] image, float[1,C,H,W] baseline,
  float[N,g,k] grids, int64[N,2] shifts, float[U,g] rows, float[V,k] columns
) => (float[N,C,H,W] images)
<int64 zero = {{0}}, int64 one = {{1}}, int64[1] channel = {{1}}>
{{
  {_ROWS_AND_COLUMNS.strip()}
  top, left = Split <axis: int = 1, num_outputs: int = 2> (shifts)
  shifted_row = Add (row, top)
  shifted_column = Add (column, left)
  enlarge_down = Gather <axis: int = 0> (rows, shifted_row)
  enlarge_right_standing = Gather <axis: int = 0> (columns, shifted_column)
  enlarge_right = Transpose <perm: ints = [0, 2, 1]> (enlarge_right_standing)
  tall = MatMul (enlarge_down, grids)
  masks = MatMul (tall, enlarge_right)
  {_BLEND.strip()}
}}
"""
"""RISE: grid n is enlarged by *rows* and *columns* and cut out at ``shifts[n]`` (top, left).

Two small matrix products per mask; Resize and Slice take several times as long.
"""

DISCS = f"""
discs (
  float[1,C,H,W] image, float[1,C,H,W] baseline, float[N,2] centres, float deviation
) => (float[N,C,H,W] images)
<
  int64 zero = {{0}}, int64 one = {{1}}, int64[1] channel = {{1}}, int64[1] column_axes = {{1}}, int64[1] row_axes = {{2}},
  float minus_half = {{-0.5}}, float full = {{1}}
>
{{
  {_ROWS_AND_COLUMNS.strip()}
  row_position = Cast <to: int = 1> (row)
  column_position = Cast <to: int = 1> (column)
  centre_row, centre_column = Split <axis: int = 1, num_outputs: int = 2> (centres)
  down = Sub (row_position, centre_row)
  right = Sub (column_position, centre_column)
  down_deviations = Div (down, deviation)
  right_deviations = Div (right, deviation)
  down_square = Mul (down_deviations, down_deviations)
  right_square = Mul (right_deviations, right_deviations)
  down_exponent = Mul (down_square, minus_half)
  right_exponent = Mul (right_square, minus_half)
  down_profile = Exp (down_exponent)
  right_profile = Exp (right_exponent)
  tall = Unsqueeze (down_profile, row_axes)
  wide = Unsqueeze (right_profile, column_axes)
  covered = Mul (tall, wide)
  masks = Sub (full, covered)
  {_BLEND.strip()}
}}
"""
"""Mask n is a Gaussian hole of *deviation* pixels around ``centres[n]`` (row, column, in pixels)."""

FEATURE_MASKS = f"""
feature_masks (
  float[1,C,H,W] image, float[1,C,H,W] baseline,
  float[1,K,h,w] features, int64[N] chosen, float[H,h] rows, float[w,W] columns
) => (float[N,C,H,W] images)
<int64[1] batch = {{0}}, int64[1] channel = {{1}}, int64[2] space = {{1, 2}}, float tiny = {{1e-30}}>
{{
  chosen_features = Gather <axis: int = 1> (features, chosen)
  coarse = Squeeze (chosen_features, batch)
  taller = MatMul (rows, coarse)
  enlarged = MatMul (taller, columns)
  lowest = ReduceMin <keepdims: int = 1> (enlarged, space)
  highest = ReduceMax <keepdims: int = 1> (enlarged, space)
  range = Sub (highest, lowest)
  safe_range = Max (range, tiny)
  above = Sub (enlarged, lowest)
  masks = Div (above, safe_range)
  {_BLEND.strip()}
}}
"""
"""Score-CAM: mask n is feature map ``chosen[n]``, enlarged and stretched to [0, 1]; 0 if it is flat."""
