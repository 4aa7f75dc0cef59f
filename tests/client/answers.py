"""An answer in the service's shape, by hand; tests/contract compares the shape with the real one."""

import base64
import io
from typing import Any

import numpy as np
from saliserve_client.png import gradient


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def npy(values: object) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(values, np.float32))
    return buffer.getvalue()


def operator(name: str, srg: float, z_score: float) -> dict[str, Any]:
    return {
        "name": name,
        "counted": True,
        "auc_morf": 0.1,
        "auc_lerf": 0.1 + srg,
        "srg": srg,
        "z_score": z_score,
        "baseline": {"neutral": True},
    }


def explain_answer() -> dict[str, Any]:
    """The map is [[0, 1, 2], [3, 4, 5]] as npy; two operators with SRG 0.2 and 0.4, z 2 and 6."""
    return {
        "request_id": "r1",
        "model": {"name": "toy", "version": "1", "sha256": "5" * 64, "provider": "CPUExecutionProvider"},
        "prediction": {"top_k": [{"index": 281, "label": "tabby", "probability": 0.41, "logit": 3.0}]},
        "picture": {"width": 8, "height": 8, "seen": {"left": 0, "top": 0, "width": 8, "height": 8}},
        "explanation": {
            "method": "grad_cam",
            "parameters": {},
            "target": {"index": 281, "label": "tabby", "scalar": "logit"},
            "contrast": None,
            "seed": 0,
            "map": {
                "encoding": "npy",
                "shape": [2, 3],
                "minimum": 0.0,
                "maximum": 5.0,
                "data": base64_of(npy([[0, 1, 2], [3, 4, 5]])),
            },
            "overlay": base64_of(gradient(3, 2)),
            "overlay_encoding": "png",
            "forwards": 1,
            "converged": True,
            "standard_error": None,
            "completeness_gap": None,
            "certificate": {
                "verdict": "inconclusive",
                "reason": "mprt passed; efficient_mprt could not be decided on these pictures.",
                "mprt": "pass",
                "efficient_mprt": "inconclusive",
                "random_logit": None,
                "planted_evidence": None,
                "same_parameters": True,
            },
        },
        "receipt": {
            "protocol": {"name": "panel", "version": "1"},
            "verdict": "faithful",
            "reason": "it beats chance under both operators",
            "operators": [operator("blur", 0.2, 2.0), operator("mean", 0.4, 6.0)],
            "controls": {},
            "summary": {"srg_mean": 0.3, "z_score": 4.5, "p_value": 0.001, "gain": 0.5},
            "warnings": [],
        },
        "timings_ms": {"decode": 1.0, "predict": 9.0, "explain": 11.0, "receipt": 640.0},
        "warnings": [],
    }
