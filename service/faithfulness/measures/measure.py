"""The results that a receipt can carry beside its verdict, by the names under which callers ask for them."""

from typing import Literal, TypeAlias, get_args

from service.faithfulness.measures.localisation import Localisation
from service.faithfulness.measures.luck import Luck
from service.faithfulness.measures.magnitude_plan import Magnitudes
from service.faithfulness.measures.pixels import Pixels
from service.faithfulness.measures.repeatability import Repeatability
from service.faithfulness.measures.stability import Stability

MapMeasure = Literal["luck", "magnitude", "pixels"]
"""What can be measured of any map."""

MeasureName = Literal["luck", "magnitude", "pixels", "stability", "repeatability"]
"""What can be measured of a map that can be made again."""

LOCALISATION = "localisation"
"""Measured wherever a mask or boxes are sent."""

MEASURES = (*get_args(MeasureName), LOCALISATION)

Measure: TypeAlias = Luck | Magnitudes | Pixels | Stability | Repeatability | Localisation
