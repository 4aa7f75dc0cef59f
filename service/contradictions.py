"""Settings that rule each other out: each is fine by itself, and together they would refuse everything or nothing."""

from collections.abc import Iterator, Mapping
from typing import Any

MEBIBYTE = 1024 * 1024

_NEEDS_KEYS = ("guard_metrics", "guard_docs", "key_forwards_per_s")


def contradictions(chosen: Mapping[str, Any], prefix: str) -> Iterator[str]:
    """Find what cannot be meant: both settings, with their values, and the way out.

    Bounds of which the lower one holds, such as a longest field beyond the longest body, are no contradiction.

    Args:
        chosen: All settings by name, each checked by itself.
        prefix: Of their environment variables.

    Examples:
        >>> valid = {"max_body_bytes": 9, "max_uploads_mib": 1, "max_side": 9, "max_pixels": 9, "default_deadline_ms": 1, "max_deadline_ms": 1, "max_request_ms": 2}
        >>> list(contradictions({**valid, "min_side": 3, "keys_file": "keys.txt"}, "X_"))
        []
    """

    def said(name: str) -> str:
        value = chosen[name]
        text = (
            str(value).lower()
            if isinstance(value, bool)
            else f"{value:g}"
            if isinstance(value, float)
            else value
        )
        return f"{prefix}{name.upper()}={text}"

    if not chosen["default_deadline_ms"] <= chosen["max_deadline_ms"] < chosen["max_request_ms"]:
        yield (
            f"{said('default_deadline_ms')}, {said('max_deadline_ms')} and {said('max_request_ms')} are out of order: "
            "expected the first to be at most the second, and that to be less than the third"
        )
    if chosen["min_side"] > chosen["max_side"]:
        yield (
            f"{said('min_side')} is above {said('max_side')}, so that no picture would be accepted. Lower the first or "
            "raise the second"
        )
    elif chosen["min_side"] ** 2 > chosen["max_pixels"]:
        yield (
            f"{said('min_side')} asks for {chosen['min_side'] ** 2} pixels at least, which is above "
            f"{said('max_pixels')}, so that no picture would be accepted. Lower the first or raise the second"
        )
    if chosen["max_body_bytes"] > chosen["max_uploads_mib"] * MEBIBYTE:
        yield (
            f"{said('max_body_bytes')} is above {said('max_uploads_mib')}, in mebibytes, so that the longest body would "
            "never be accepted. Lower the first or raise the second"
        )
    if chosen["keys_file"] is None and not chosen["keys"]:
        for name in (name for name in _NEEDS_KEYS if chosen[name]):
            yield (
                f"{said(name)} holds for callers with keys, and there are no keys, so that everybody may call at "
                f"will. Name keys with {prefix}KEYS_FILE or {prefix}KEYS, or leave it out"
            )
