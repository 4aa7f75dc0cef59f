"""Client and batch scoring for saliserve: predictions with saliency maps and receipts.

Everything public is in this module and in :mod:`saliserve_client.errors`. What is here is loaded
when it is first asked for: the HTTP library behind it takes most of the time of an import.
"""

import importlib
from typing import TYPE_CHECKING

from saliserve_client import errors
from saliserve_client._version import __version__
from saliserve_client.errors import SaliserveError

if TYPE_CHECKING:
    from saliserve_client.clients import AsyncClient, Client
    from saliserve_client.comparison import Comparison, compare
    from saliserve_client.measures import (
        Agreement,
        Localisation,
        Magnitude,
        Measures,
        PixelScore,
        Repeatability,
        Stability,
    )
    from saliserve_client.results import (
        Certificate,
        ClassName,
        EncodedMap,
        Evaluation,
        Explanation,
        Model,
        ModelIdentity,
        OperatorScore,
        Picture,
        Prediction,
        Progress,
        RankedClass,
        Receipt,
        ReceiptSummary,
        Region,
        Target,
    )
    from saliserve_client.retry import Retry

__all__ = [
    "Agreement",
    "AsyncClient",
    "Certificate",
    "ClassName",
    "Client",
    "Comparison",
    "EncodedMap",
    "Evaluation",
    "Explanation",
    "Localisation",
    "Magnitude",
    "Measures",
    "Model",
    "ModelIdentity",
    "OperatorScore",
    "Picture",
    "PixelScore",
    "Prediction",
    "Progress",
    "RankedClass",
    "Receipt",
    "ReceiptSummary",
    "Region",
    "Repeatability",
    "Retry",
    "SaliserveError",
    "Stability",
    "Target",
    "__version__",
    "compare",
    "errors",
]

_HOMES = {
    "AsyncClient": "clients",
    "Client": "clients",
    "Comparison": "comparison",
    "compare": "comparison",
    "Retry": "retry",
    **dict.fromkeys(
        (
            "Agreement",
            "Localisation",
            "Magnitude",
            "Measures",
            "PixelScore",
            "Repeatability",
            "Stability",
        ),
        "measures",
    ),
}


def __getattr__(name: str) -> object:
    """Load a public name from where it is defined (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES.get(name, 'results')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
