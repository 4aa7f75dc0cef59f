"""Recompute only what changes: passes over images that differ from one image within a window.

A convolution's output depends on a few pixels around it. Where two images differ in a window, the first layers of a
network differ in a window, too, a little larger after every layer. So these layers need to be computed in the
neighbourhood of that window only; what they give is put in the place of what they gave for the whole image, and the
layers behind, which see everything, go on as ever. The answer is the same, up to the rounding of float32.

Each file holds one idea: ``sliding`` the arithmetic of one operator along one axis, ``local`` which operators of a
graph have one, ``stretch`` what a run of them does to a window, ``cuts`` where it pays to cut a graph into such runs,
``write`` the graph of the recomputation, and ``crops`` which pixels it has to be given.
"""
