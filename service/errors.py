"""Everything this service can refuse to do, grouped by whose fault it is.

SaliserveError
├── RequestError              the caller's data or options; sending the same again cannot help
│   ├── MediaTypeError        a body of a kind in which no picture can be sent
│   ├── ImageError            the picture
│   │   ├── EmptyImageError       no bytes
│   │   ├── ImageTooLargeError    more bytes, pixels or a longer side than the limits allow
│   │   ├── ImageTooSmallError    fewer pixels than the smallest side that can be classified
│   │   ├── ImageFormatError      bytes of no format that is accepted
│   │   └── CorruptImageError     an accepted format, but broken or cut short
│   ├── MapError              a map that the caller brings
│   ├── OptionError           an option: unknown name, wrong type, outside its range
│   │   ├── UnknownModelError     no such model or version
│   │   ├── UnknownMethodError    no such explanation method
│   │   ├── MethodUnavailableError  the method exists, but not for this model
│   │   └── UnknownTargetError    no such class index or label
│   ├── AuthenticationError   no key, or an unknown one, where the service asks for one
│   └── BudgetError           the deadline or the forward-pass budget allows no answer at all
├── CapacityError             the service's load; the same request may succeed later
│   ├── OverloadedError       the queue of forward passes or the memory for uploads is full, or the deadline cannot be met
│   ├── DrainingError         the service is shutting down
│   └── RateLimitedError      the key has used up its share for now
├── BundleError               a model on disk; the operator must act
│   ├── ManifestError         manifest missing, malformed or of another format version
│   ├── DigestError           a file is missing or differs from its recorded SHA-256
│   ├── MemoryCeilingError    loading it would take more memory than the operator allows
│   └── BundleBuildError      the ONNX file that somebody brings cannot become a bundle
├── GraphError                an ONNX graph that cannot be differentiated or programmed
│   └── UnsupportedOperatorError  no derivative rule for an operator
├── ProviderError             an execution provider that was asked for is not there or failed
├── SettingsError             the operator's configuration
└── ExplanationError          an explanation was computed and is not a finite map

HTTP status codes live in ``service.http.problems``; nothing here knows about HTTP.
"""

from typing import ClassVar


class SaliserveError(Exception):
    """Base of everything the service refuses.

    Args:
        detail: What was found, what was expected, and the way out, in one or two sentences.
        where: The part of the input at fault, such as ``image`` or ``options.window``; empty if none.
    """

    code: ClassVar[str] = "internal"
    """Stable identifier of the class on the wire; the client maps it back to its own exception."""

    def __init__(self, detail: str, *, where: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.where = where


class RequestError(SaliserveError):
    """The caller's data or options are wrong."""

    code = "invalid_request"


class MediaTypeError(RequestError):
    """The body is of a kind in which no picture can be sent."""

    code = "unsupported_media_type"


class ImageError(RequestError):
    """The picture cannot be used."""

    code = "invalid_image"


class EmptyImageError(ImageError):
    """The picture has no bytes."""

    code = "empty_image"


class ImageTooLargeError(ImageError):
    """The picture exceeds a limit on bytes, pixels or side length."""

    code = "image_too_large"


class ImageTooSmallError(ImageError):
    """The picture has fewer pixels than can be classified."""

    code = "image_too_small"


class ImageFormatError(ImageError):
    """The bytes are of no accepted picture format."""

    code = "unsupported_image_format"


class CorruptImageError(ImageError):
    """The picture's format is accepted, but its data is broken or cut short."""

    code = "corrupt_image"


class MapError(RequestError):
    """A saliency map that the caller brings cannot be scored."""

    code = "invalid_map"


class OptionError(RequestError):
    """An option has an unknown name, a wrong type or a value outside its range."""

    code = "invalid_option"


class UnknownModelError(OptionError):
    """No bundle of that name and version is loaded."""

    code = "unknown_model"


class UnknownMethodError(OptionError):
    """No explanation method has that name."""

    code = "unknown_method"


class MethodUnavailableError(OptionError):
    """The method exists but this model cannot be explained by it."""

    code = "method_unavailable"


class UnknownTargetError(OptionError):
    """The model has no such class index or label."""

    code = "unknown_target"


class AuthenticationError(RequestError):
    """The service asks for a key and none, or an unknown one, was sent."""

    code = "unauthenticated"


class BudgetError(RequestError):
    """The deadline or the forward-pass budget allows no answer at all."""

    code = "budget_too_small"


class CapacityError(SaliserveError):
    """The service cannot take the work now.

    Args:
        detail: As for every error.
        retry_after_s: Seconds after which the same request is expected to succeed.
        where: As for every error.
    """

    code = "no_capacity"

    def __init__(self, detail: str, *, retry_after_s: float, where: str = "") -> None:
        super().__init__(detail, where=where)
        self.retry_after_s = retry_after_s


class OverloadedError(CapacityError):
    """The queue of forward passes or the memory for uploads is full, or a deadline cannot be met behind it."""

    code = "overloaded"


class DrainingError(CapacityError):
    """The service is shutting down and takes no new work."""

    code = "draining"


class RateLimitedError(CapacityError):
    """The key has used up its share of forward passes for now."""

    code = "rate_limited"


class BundleError(SaliserveError):
    """A model on disk cannot be used."""

    code = "bundle_error"


class ManifestError(BundleError):
    """The manifest is missing, malformed or of another format version."""

    code = "manifest_error"


class DigestError(BundleError):
    """A file of the bundle is missing or differs from its recorded digest."""

    code = "digest_mismatch"


class MemoryCeilingError(BundleError):
    """A model would take more memory than the operator allows."""

    code = "memory_ceiling"


class BundleBuildError(BundleError):
    """An ONNX file cannot become a bundle."""

    code = "bundle_build_error"


class GraphError(SaliserveError):
    """An ONNX graph cannot be differentiated or programmed."""

    code = "graph_error"


class UnsupportedOperatorError(GraphError):
    """An operator on the path from the image to the logits has no derivative rule.

    Args:
        operator: The operator, such as ``com.microsoft::FusedConv``.
        node: The node's name in the graph.
        reason: What exactly is not supported; empty when the operator has no rule at all.
    """

    code = "unsupported_operator"

    def __init__(self, operator: str, node: str, reason: str = "") -> None:
        why = reason or "no derivative rule"
        super().__init__(
            f"operator {operator} (node {node!r}): {why}. Gradient methods are off for this model; "
            "occlusion and the other perturbation methods still work.",
            where=node,
        )
        self.operator = operator
        self.node = node


class ProviderError(SaliserveError):
    """An ONNX Runtime execution provider is missing or failed."""

    code = "provider_error"


class SettingsError(SaliserveError):
    """The operator's configuration is wrong; the service does not start."""

    code = "settings_error"


class ExplanationError(SaliserveError):
    """An explanation was computed and is not a finite map."""

    code = "explanation_error"
