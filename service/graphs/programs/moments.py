"""Mean and spread of a gradient over noisy copies of an image."""

GRADIENT_MOMENTS = """
gradient_moments (
  float[N,C,H,W] gradient, double[1,C,H,W] sum, double[1,C,H,W] square_sum
) => (double[1,C,H,W] new_sum, double[1,C,H,W] new_square_sum)
<int64[1] batch = {0}>
{
  gradient_64 = Cast <to: int = 11> (gradient)
  square = Mul (gradient_64, gradient_64)
  added = ReduceSum <keepdims: int = 1> (gradient_64, batch)
  square_added = ReduceSum <keepdims: int = 1> (square, batch)
  new_sum = Add (sum, added)
  new_square_sum = Add (square_sum, square_added)
}
"""

GRADIENT_HIGHER_MOMENTS = """
gradient_higher_moments (
  float[N,C,H,W] gradient, double[1,C,H,W] cube_sum, double[1,C,H,W] fourth_sum
) => (double[1,C,H,W] new_cube_sum, double[1,C,H,W] new_fourth_sum)
<int64[1] batch = {0}>
{
  gradient_64 = Cast <to: int = 11> (gradient)
  square = Mul (gradient_64, gradient_64)
  cube = Mul (square, gradient_64)
  fourth = Mul (square, square)
  cube_added = ReduceSum <keepdims: int = 1> (cube, batch)
  fourth_added = ReduceSum <keepdims: int = 1> (fourth, batch)
  new_cube_sum = Add (cube_sum, cube_added)
  new_fourth_sum = Add (fourth_sum, fourth_added)
}
"""

GRADIENT_SPREAD = """
gradient_spread (
  double[1,C,H,W] sum, double[1,C,H,W] square_sum, double count
) => (float[H,W] mean_magnitude, float[H,W] standard_error)
<int64[2] batch_and_channel = {0, 1}, double one = {1.0}, double zero = {0.0}>
{
  mean = Div (sum, count)
  magnitude = Abs (mean)
  mean_magnitude_64 = ReduceMax <keepdims: int = 0> (magnitude, batch_and_channel)
  mean_magnitude = Cast <to: int = 1> (mean_magnitude_64)
  mean_square = Div (square_sum, count)
  square_of_mean = Mul (mean, mean)
  difference = Sub (mean_square, square_of_mean)
  biased_variance = Max (difference, zero)
  others = Sub (count, one)
  error_square_by_channel = Div (biased_variance, others)
  error_square = ReduceMax <keepdims: int = 0> (error_square_by_channel, batch_and_channel)
  error = Sqrt (error_square)
  standard_error = Cast <to: int = 1> (error)
}
"""
"""Per pixel, of *count* samples: the largest channel's ``|mean|`` and standard error of the mean."""

GRADIENT_VARIANCE = """
gradient_variance (
  double[1,C,H,W] sum, double[1,C,H,W] square_sum, double[1,C,H,W] cube_sum, double[1,C,H,W] fourth_sum, double count
) => (float[H,W] variance, float[H,W] standard_error)
<
  int64[2] batch_and_channel = {0, 1}, double zero = {0.0}, double one = {1.0}, double three = {3.0},
  double four = {4.0}, double six = {6.0}
>
{
  mean = Div (sum, count)
  mean_square = Div (square_sum, count)
  mean_cube = Div (cube_sum, count)
  mean_fourth = Div (fourth_sum, count)
  square_of_mean = Mul (mean, mean)
  difference = Sub (mean_square, square_of_mean)
  biased_variance = Max (difference, zero)
  others = Sub (count, one)
  correction = Div (count, others)
  channel_variance = Mul (biased_variance, correction)
  variance_64 = ReduceMax <keepdims: int = 0> (channel_variance, batch_and_channel)
  variance = Cast <to: int = 1> (variance_64)
  mean_by_cube = Mul (mean, mean_cube)
  four_by_cube = Mul (four, mean_by_cube)
  square_by_square = Mul (square_of_mean, mean_square)
  six_by_square = Mul (six, square_by_square)
  fourth_of_mean = Mul (square_of_mean, square_of_mean)
  three_fourths = Mul (three, fourth_of_mean)
  without_cube = Sub (mean_fourth, four_by_cube)
  with_square = Add (without_cube, six_by_square)
  central_fourth = Sub (with_square, three_fourths)
  count_less_three = Sub (count, three)
  share = Div (count_less_three, others)
  variance_square = Mul (channel_variance, channel_variance)
  normal_part = Mul (share, variance_square)
  excess = Sub (central_fourth, normal_part)
  error_square_by_channel = Div (excess, count)
  not_negative = Max (error_square_by_channel, zero)
  error_square = ReduceMax <keepdims: int = 0> (not_negative, batch_and_channel)
  error = Sqrt (error_square)
  standard_error = Cast <to: int = 1> (error)
}
"""
"""Per pixel, of *count* samples: the largest channel's variance ``s^2``, and the largest standard error of one:
``sqrt((m4 - s^4 (count - 3) / (count - 1)) / count)`` with the central fourth moment ``m4``."""
