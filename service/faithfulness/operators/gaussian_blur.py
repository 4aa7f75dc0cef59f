"""Remove by blurring: colours stay roughly where they are, detail goes."""

from service.faithfulness.operators.operator import Operator, showing
from service.imaging.baselines import gaussian_blur

GAUSSIAN_BLUR = Operator(
    name="gaussian_blur",
    summary="the image after a Gaussian blur, deviation 1/14 of its shorter side",
    prepare=showing(lambda subject: gaussian_blur(subject.pixels)),
)
