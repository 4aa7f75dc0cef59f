"""Remove by painting black."""

from service.faithfulness.operators.operator import Operator, showing
from service.imaging.baselines import black

BLACK = Operator(
    name="black",
    summary="black, RGB (0, 0, 0)",
    prepare=showing(lambda subject: black(subject.pixels)),
)
