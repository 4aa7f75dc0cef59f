"""Remove by showing the image's own mean colour."""

from service.faithfulness.operators.operator import Operator, showing
from service.imaging.baselines import channel_mean

CHANNEL_MEAN = Operator(
    name="channel_mean",
    summary="the image's own mean colour",
    prepare=showing(lambda subject: channel_mean(subject.pixels)),
)
