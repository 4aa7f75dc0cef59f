"""What is trained: every arm and every control is one flag of one trainer."""

from collections.abc import Mapping

from training.arms.consistency import consistency_weighted
from training.arms.free import free_l2
from training.arms.gradient_penalty import input_gradient_l1
from training.arms.saliency_guided import sgt, sgt_signed
from training.arms.scaat import noise, scaat, uniform_at
from training.arms.situation import Arm
from training.arms.standard import standard
from training.config import ArmName

ARMS: Mapping[ArmName, Arm] = {
    "standard": standard,
    "sgt": sgt,
    "sgt-signed": sgt_signed,
    "uniform-at": uniform_at,
    "noise": noise,
    "input-gradient-l1": input_gradient_l1,
    "consistency-weighted": consistency_weighted,
    "free-l2": free_l2,
    "scaat": scaat,
}
