"""What the certificate of a method says to the reader of one of its maps."""

from collections.abc import Mapping

from pydantic import JsonValue

from service.bundle.manifest import Manifest
from service.certificate.options import filled_in
from service.explain.methods import METHODS
from service.schemas import CertificateBody


def certificate_body(manifest: Manifest, method: str, parameters: Mapping[str, JsonValue]) -> CertificateBody:
    """Write the certificate in short.

    Args:
        manifest: Of the model.
        method: That made the map.
        parameters: With which options.
    """
    found = manifest.certificates.get(method)
    if found is None:
        return CertificateBody(
            verdict="not certified",
            reason=f"{method} was never checked on this model: nothing says that its maps depend on what the model "
            "has learnt.",
        )
    return CertificateBody(
        verdict=found.verdict,
        reason=found.reason,
        **{name: check.verdict for name, check in found.checks.items()},
        same_parameters=filled_in(METHODS[method], found.parameters) == dict(parameters),
    )


def certificate_warnings(manifest: Manifest, method: str) -> tuple[str, ...]:
    """Warn of a method that failed, in every answer."""
    found = manifest.certificates.get(method)
    if found is None or found.verdict != "fail":
        return ()
    failed = [name for name, check in found.checks.items() if check.verdict == "fail"]
    warning = (
        f"{method} failed its certificate on this model ({', '.join(failed)}): its maps may show the picture "
        f"rather than what the model makes of it. GET /v1/models/{manifest.name} has the numbers."
    )
    return (warning,)
