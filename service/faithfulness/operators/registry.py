"""All removal operators by name."""

from collections.abc import Mapping

from service.faithfulness.operators.black import BLACK
from service.faithfulness.operators.channel_mean import CHANNEL_MEAN
from service.faithfulness.operators.gaussian_blur import GAUSSIAN_BLUR
from service.faithfulness.operators.noise import NOISE
from service.faithfulness.operators.operator import Operator
from service.faithfulness.operators.road import ROAD

OPERATORS: Mapping[str, Operator] = {
    operator.name: operator for operator in (CHANNEL_MEAN, GAUSSIAN_BLUR, NOISE, ROAD, BLACK)
}
