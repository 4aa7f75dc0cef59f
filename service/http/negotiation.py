"""Which form of an answer a caller would rather have, and which it takes."""


def preferred(accept: str, *offered: str) -> str:
    """Choose the media type of an answer (RFC 9110, section 12.5.1).

    Args:
        accept: The header; empty where there is none.
        offered: At equal preference, as for ``*/*``, and where none is wanted, the first wins.

    Examples:
        >>> preferred("image/png", "application/json", "image/png")
        'image/png'
        >>> preferred("*/*", "application/json", "image/png")
        'application/json'
        >>> preferred("application/json;q=0.5, image/*", "application/json", "image/png")
        'image/png'
    """
    ranges = [_range(part) for part in accept.split(",") if part.strip()]
    return max(offered, key=lambda media_type: _quality(media_type, ranges))


def takes(accept_encoding: str, coding: str) -> bool:
    """Tell whether a caller names a coding as one that it takes (RFC 9110, section 12.5.3).

    Args:
        accept_encoding: The header; empty where there is none.
        coding: Such as ``gzip``.

    Examples:
        >>> takes("gzip, deflate, br", "gzip"), takes("identity, gzip;q=0", "gzip")
        (True, False)
    """
    ranges = (_range(part) for part in accept_encoding.split(",") if part.strip())
    return any(range_ == coding and quality > 0 for range_, quality in ranges)


def _range(part: str) -> tuple[str, float]:
    media_type, *parameters = (piece.strip().lower() for piece in part.split(";"))
    weights = [parameter[2:] for parameter in parameters if parameter.startswith("q=")]
    try:
        return media_type, float(weights[0]) if weights else 1.0
    except ValueError:
        return media_type, 0.0


def _quality(media_type: str, ranges: list[tuple[str, float]]) -> float:
    """The most specific range that matches decides."""
    for pattern in (media_type, media_type.partition("/")[0] + "/*", "*/*"):
        for range_, quality in ranges:
            if range_ == pattern:
                return quality
    return 0.0
