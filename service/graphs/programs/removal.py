"""Replace parts of one image by the same parts of another, many times at once."""

SEGMENTS = """
segments (
  float[1,C,H,W] image,
  float[1,C,H,W] replacement,
  bool[N,S] removed,
  int64[H,W] segments
) => (float[N,C,H,W] images)
<int64[1] channel = {1}>
{
  gone = Gather <axis: int = 1> (removed, segments)
  gone_in_every_channel = Unsqueeze (gone, channel)
  images = Where (gone_in_every_channel, replacement, image)
}
"""
"""Row n of *removed* says which segments of *image* show *replacement* in image n."""

CELLS = """
cells (
  float[1,C,H,W] image,
  float[1,C,H,W] replacement,
  bool[N,r,c] removed,
  int64[H] row_cell,
  int64[W] column_cell
) => (float[N,C,H,W] images)
<int64[1] channel = {1}>
{
  wide = Gather <axis: int = 2> (removed, column_cell)
  gone = Gather <axis: int = 1> (wide, row_cell)
  gone_in_every_channel = Unsqueeze (gone, channel)
  images = Where (gone_in_every_channel, replacement, image)
}
"""
"""Likewise for cells of a grid; *row_cell* and *column_cell* say in which one a row and a column lie.

Rows of pixels are copied whole instead of pixel by pixel: half the time of SEGMENTS on a CPU.
"""

WINDOWS = """
windows (
  float[1,C,H,W] image,
  float[1,C,H,W] replacement,
  int64[N,4] windows
) => (float[N,C,H,W] images)
<int64 zero = {0}, int64 one = {1}, int64[1] row_axes = {2}, int64[1] column_axes = {1}, int64[1] channel = {1}>
{
  height = Shape <start: int = 2, end: int = 3> (image)
  width = Shape <start: int = 3, end: int = 4> (image)
  rows_end = Squeeze (height)
  columns_end = Squeeze (width)
  row = Range (zero, rows_end, one)
  column = Range (zero, columns_end, one)
  top, left, bottom, right = Split <axis: int = 1, num_outputs: int = 4> (windows)
  below_top = GreaterOrEqual (row, top)
  above_bottom = Less (row, bottom)
  after_left = GreaterOrEqual (column, left)
  before_right = Less (column, right)
  in_rows = And (below_top, above_bottom)
  in_columns = And (after_left, before_right)
  tall = Unsqueeze (in_rows, row_axes)
  wide = Unsqueeze (in_columns, column_axes)
  inside = And (tall, wide)
  inside_every_channel = Unsqueeze (inside, channel)
  images = Where (inside_every_channel, replacement, image)
}
"""
"""Row n of *windows* is ``top, left, bottom, right`` in pixels, the last two exclusive; it may overhang."""
