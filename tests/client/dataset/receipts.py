"""Rows of scored tables with receipts that say what a test wants them to."""

import json
from collections.abc import Mapping
from typing import Any

from saliserve_client.scoring.rows import COLUMNS

MODEL = "5" * 64


def row(
    image: str,
    srg: Mapping[str, float],
    *,
    method: str = "grad_cam",
    model: str = MODEL,
    probability: float = 0.9,
    left: float = 0.1,
    counted: Mapping[str, bool] | None = None,
    version: str = "2",
    **values: Any,
) -> dict[str, Any]:
    """Make a scored row; *srg* by operator, *left* the probability when everything is removed."""
    operators = [
        {
            "name": name,
            "counted": (counted or {}).get(name, True),
            "srg": value,
            "baseline": {"target_probability": left},
        }
        for name, value in srg.items()
    ]
    receipt = {
        "protocol": {"name": "fast", "version": version},
        "verdict": "mixed",
        "operators": operators,
        "summary": {"probability": probability},
    }
    scored = {
        "image": f"{image}.jpg",
        "status": "scored",
        "sha256": image,
        "model_name": f"model-{model[0]}",
        "model_version": "1",
        "model_sha256": model,
        "label": "tabby",
        "probability": probability,
        "method": method,
        "parameters": "{}",
        "target_index": 3,
        "seed": 0,
        "verdict": "mixed",
        "reason": "why",
        "srg": sum(srg.values()) / len(srg),
        "z_score": 1.0,
        "receipt": json.dumps(receipt),
        "warnings": [],
    }
    return {**dict.fromkeys(column.name for column in COLUMNS), **scored, **values}
