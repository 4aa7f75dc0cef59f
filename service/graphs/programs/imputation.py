"""Fill removed pixels with what their neighbours say: ROAD's noisy linear imputation.

Every removed pixel is the weighted mean of its eight neighbours, 1/6 for those that share a side
and 1/12 for those that share a corner; at the border the weights that are there are divided by
their sum. That is one sparse linear system per image, the same for every colour, which its
authors hand to a sparse solver on the CPU.

Here it is solved on the device, by conjugate gradients on the symmetric form

    d u - w * u = 0    on the removed pixels, u given elsewhere

where ``w *`` is the convolution with twelve times the weights and d their sum inside the image. The
preconditioner is one multigrid V-cycle: a Jacobi sweep, the residual summed over 2 x 2 pixels, the
same on the coarser grid, the correction copied back, another sweep. Plain Jacobi sweeps would be
about as many as the square of a hole's width, conjugate gradients alone several hundred.

Only the sweeps' step knows which pixels were removed: a residual on a known pixel is never acted upon.

Two things make float32 enough for a hole of nearly the whole image: the weights are whole numbers,
so that a flat image has a residual of exactly 0, and the mean colour is subtracted first.
"""

from itertools import pairwise

LEVELS = 5
"""Coarser grids: the coarsest has cells of 32 pixels."""

ITERATIONS = 12
"""Each divides the error by about three. After these it was below 1e-4 of full scale for holes of cells of
16 pixels, one of all but a single cell included; 3e-4 when two pixels in 10,000 were known. The number is fixed, rather
than up to a tolerance, because an image must not depend on which others share its micro-batch.
"""

_COARSEST_SWEEPS = 10
_DAMPING = 0.9
_KERNEL = "{1, 2, 1, 2, 0, 2, 1, 2, 1}"

_SETUP = """
  gone = Gather <axis: int = 1> (removed, segments)
  gone_everywhere = Unsqueeze (gone, channel)
  hole = Cast <to: int = 1> (gone_everywhere)
  kept = Sub (one, hole)
  kept_count = ReduceSum (kept, space)
  some_kept = Min (kept_count, one)
  countable = Max (kept_count, one)
  kept_colours = Mul (image, kept)
  kept_sum = ReduceSum (kept_colours, space)
  kept_mean = Div (kept_sum, countable)
  whole_mean = ReduceMean (image, space)
  nothing_kept = Equal (kept_count, zero)
  mean = Where (nothing_kept, whole_mean, kept_mean)
  centred = Sub (image, mean)
  known = Mul (centred, kept)
  solvable_hole = Mul (hole, some_kept)
  size = Shape <start: int = 2, end: int = 4> (image)
  negative_size = Neg (size)
  overhang = Mod (negative_size, coarsest)
  pads = Concat <axis: int = 0> (no_pads, overhang)
  u_0 = Pad (known, pads)
  unknown_0 = Pad (solvable_hole, pads)
  everywhere = Add (kept, hole)
  inside_0 = Pad (everywhere, pads)
"""

_LOOP = """
  p_0 = Mul (r_0, zero)
  rz_0 = ReduceMax (p_0, space)
  u, r, p, rz = Loop <body = one_step (
    int64 step, bool go, float[N,3,h,w] u_old, float[N,3,h,w] r_old, float[N,3,h,w] p_old, float[N,3,a,b] rz_old
  ) => (bool go_on, float[N,3,h,w] u_new, float[N,3,h,w] r_new, float[N,3,h,w] p_new, float[N,3,a,b] rz_new)
  < float[3,1,3,3] kernel = {KERNELS}, float[3,1,2,2] four = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    float[4] twice = {1, 1, 2, 2}, float tiny = {1e-30}, int64[2] space = {2, 3} >
  {
    go_on = Identity (go)
    {CYCLE}
    rz_new = ReduceSum (rz_terms, space)
    rz_old_safe = Max (rz_old, tiny)
    beta = Div (rz_new, rz_old_safe)
    p_kept = Mul (p_old, beta)
    p_new = Add (z_0, p_kept)
    {CURVATURE}
    curvature_terms = Mul (p_new, minus_q)
    minus_curvature = ReduceSum (curvature_terms, space)
    curvature = Neg (minus_curvature)
    curvature_safe = Max (curvature, tiny)
    alpha = Div (rz_new, curvature_safe)
    u_change = Mul (p_new, alpha)
    u_new = Add (u_old, u_change)
    r_change = Mul (minus_q, alpha)
    r_new = Add (r_old, r_change)
  }> (steps, , u_0, r_0, p_0, rz_0)
  solved = Slice (u, first, size, space)
  coloured = Add (solved, mean)
  noisy = Add (coloured, noise)
  images = Where (gone_everywhere, noisy, image)
"""


def _level(level: int) -> str:
    """d, and the damped step of a Jacobi sweep; a coarse pixel is unknown if all four are, inside if any is."""
    coarser = f"""
  negative_{level} = Neg (unknown_{level - 1})
  any_known_{level} = MaxPool <kernel_shape: ints = [2, 2], strides: ints = [2, 2]> (negative_{level})
  unknown_{level} = Neg (any_known_{level})
  inside_{level} = MaxPool <kernel_shape: ints = [2, 2], strides: ints = [2, 2]> (inside_{level - 1})"""
    return f"""{coarser if level else ""}
  d_{level} = Conv <pads: ints = [1, 1, 1, 1]> (inside_{level}, one_kernel)
  d_{level}_safe = Max (d_{level}, one)
  damped_{level} = Mul (unknown_{level}, damping)
  step_{level} = Div (damped_{level}, d_{level}_safe)"""


def _apply(result: str, u: str, level: int, kernel: str = "kernel") -> str:
    """``result = w * u - d u``."""
    return f"""
  {result}_neighbours = Conv <pads: ints = [1, 1, 1, 1], group: int = 3> ({u}, {kernel})
  {result}_own = Mul ({u}, d_{level})
  {result} = Sub ({result}_neighbours, {result}_own)"""


def _sweep(result: str, e: str, residual: str, level: int) -> str:
    """``result = e + step (residual + w * e - d e)``."""
    return f"""{_apply(f"{result}_change", e, level)}
  {result}_left = Add ({residual}, {result}_change)
  {result}_move = Mul ({result}_left, step_{level})
  {result} = Add ({e}, {result}_move)"""


def _cycle(residual: str, level: int) -> str:
    """Write a V-cycle from *level* down; the correction is called ``z_{level}``."""
    first = f"\n  e_{level} = Mul ({residual}, step_{level})"
    if level == LEVELS:
        names = [f"e_{level}", *(f"e_{level}_{sweep}" for sweep in range(2, _COARSEST_SWEEPS)), f"z_{level}"]
        sweeps = (_sweep(new, old, residual, level) for old, new in pairwise(names))
        return first + "".join(sweeps)
    return f"""{first}{_apply(f"e_{level}_change", f"e_{level}", level)}
  left_{level} = Add ({residual}, e_{level}_change)
  residual_{level + 1} = Conv <strides: ints = [2, 2], group: int = 3> (left_{level}, four)
  {_cycle(f"residual_{level + 1}", level + 1)}
  up_{level} = Resize <mode = "nearest", coordinate_transformation_mode = "asymmetric", nearest_mode = "floor"> (
    z_{level + 1}, , twice)
  corrected_{level} = Add (e_{level}, up_{level})
  {_sweep(f"z_{level}", f"corrected_{level}", residual, level)}"""


def _program() -> str:
    kernels = "{" + ", ".join([_KERNEL.strip("{}")] * 3) + "}"
    loop = _LOOP.replace("{KERNELS}", kernels)
    loop = loop.replace("{CYCLE}", _cycle("r_old", 0) + "\n  rz_terms = Mul (r_old, z_0)")
    loop = loop.replace("{CURVATURE}", _apply("minus_q", "p_new", 0))
    return f"""
imputation (
  float[1,3,H,W] image, float[1,3,H,W] noise, bool[N,S] removed, int64[H,W] segments
) => (float[N,3,H,W] images)
<
  float[1,1,3,3] one_kernel = {_KERNEL}, float[3,1,3,3] outer_kernel = {kernels},
  float damping = {{{_DAMPING}}}, float one = {{1}}, float zero = {{0}}, int64 steps = {{{ITERATIONS}}},
  int64[1] channel = {{1}}, int64[2] space = {{2, 3}}, int64[2] first = {{0, 0}},
  int64[2] coarsest = {{{2**LEVELS}, {2**LEVELS}}}, int64[6] no_pads = {{0, 0, 0, 0, 0, 0}}
>
{{{_SETUP}{"".join(_level(level) for level in range(LEVELS + 1))}
{_apply("r_0", "u_0", 0, "outer_kernel")}{loop}}}"""


IMPUTATION = _program()
"""Row n of *removed* says which segments of *image* are imputed in image n, with *noise* added to them.

Where everything is removed there is no neighbour left to ask, and the image's mean colour is shown.

References:
    Rong, Leemann, Borisov, Kasneci, Kasneci. "A Consistent and Efficient Evaluation Strategy for Attribution
    Methods" (ROAD), ICML 2022, section 5. https://arxiv.org/abs/2202.00449
    Briggs, Henson, McCormick. "A Multigrid Tutorial", SIAM 2000, chapters 3 and 4.
"""
