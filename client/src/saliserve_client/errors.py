"""Everything a call can fail with, grouped by whose fault it is.

SaliserveError
├── RequestError              your data or options; sending the same again cannot help
│   ├── MediaTypeError        a body of a kind in which no picture can be sent
│   ├── ImageError            the picture
│   │   ├── EmptyImageError       no bytes
│   │   ├── ImageTooLargeError    more bytes, pixels or a longer side than the service allows
│   │   ├── ImageTooSmallError    fewer pixels than the smallest side that can be classified
│   │   ├── ImageFormatError      bytes of no format that is accepted
│   │   └── CorruptImageError     an accepted format, but broken or cut short
│   ├── MapError              a map that you bring
│   ├── OptionError           an option: unknown name, wrong type, outside its range
│   │   ├── UnknownModelError     no such model or version
│   │   ├── UnknownMethodError    no such explanation method
│   │   ├── MethodUnavailableError  the method exists, but not for this model
│   │   └── UnknownTargetError    no such class index or label
│   ├── AuthenticationError   no key, or an unknown one, where the service asks for one
│   └── BudgetError           the deadline or the forward-pass budget allows no answer at all
├── CapacityError             the service's load; the same request may succeed later
│   ├── OverloadedError       the queue is full, or the deadline cannot be met behind it
│   ├── DrainingError         the service is shutting down
│   └── RateLimitedError      the key has used up its share for now
├── BundleError               a model on the service's disk; its operator must act
│   ├── ManifestError         manifest missing, malformed or of another format version
│   ├── DigestError           a file is missing or differs from its recorded SHA-256
│   ├── MemoryCeilingError    loading it would take more memory than the operator allows
│   └── BundleBuildError      an ONNX file cannot become a bundle
├── GraphError                an ONNX graph that cannot be differentiated or programmed
│   └── UnsupportedOperatorError  no derivative rule for an operator
├── ProviderError             an execution provider is not there or failed
├── SettingsError             the service's configuration
├── ExplanationError          an explanation was computed and is not a finite map
├── TransportError            no answer that can be read; raised on this side of the wire
│   ├── UnreachableError          wrong address, nothing listening, or a TLS certificate refused
│   ├── AnswerTimeoutError        connected, but no answer within the time limit
│   ├── ConnectionLostError       the connection broke before the whole answer had come
│   └── UnexpectedAnswerError     an answer, but not one of this contract
│       └── VersionError              a service of another major version
└── LocalError                this computer; raised before anything is sent or after it came
    ├── FileError                 a file to read is missing, a folder, empty or not permitted
    ├── MissingPackageError       an optional package is needed for this
    ├── OutputError               a result cannot be written: disk full, not permitted
    └── RunError                  a scoring run that cannot be started or continued as asked

The upper part, down to ``ExplanationError``, mirrors the service's own tree by ``code``.
"""

from __future__ import annotations


class SaliserveError(Exception):
    """Base of everything a call can fail with; by itself, a failure inside the service.

    Args:
        detail: What was found, what was expected, and the way out.
        where: The part of the input at fault, such as ``image`` or ``options.target``; may be empty.
        code: The code as the service sent it; the class's own by default.
        status: The HTTP status; None if the failure is on this side of the wire.
        request_id: Names the request in the service's log; may be empty.
        retry_after_s: Seconds after which the service expects the same request to succeed.
    """

    code: str = "internal"
    """Stable identifier; that of the class unless the service sent one this client does not know."""

    def __init__(
        self,
        detail: str,
        *,
        where: str = "",
        code: str = "",
        status: int | None = None,
        request_id: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.where = where
        self.code = code or type(self).code
        self.status = status
        self.request_id = request_id
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild from the message and the attributes, so that process pools can hand errors on."""
        return type(self), (self.detail,), self.__dict__.copy()


class RequestError(SaliserveError):
    """Your data or options are wrong."""

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
    """The saliency map that you bring cannot be scored."""

    code = "invalid_map"


class OptionError(RequestError):
    """An option has an unknown name, a wrong type or a value outside its range."""

    code = "invalid_option"


class UnknownModelError(OptionError):
    """The service has loaded no bundle of that name and version."""

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
    """The service cannot take the work now; ``retry_after_s`` says when to come back."""

    code = "no_capacity"


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
    """A model on the service's disk cannot be used."""

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
    """An operator on the path from the image to the logits has no derivative rule."""

    code = "unsupported_operator"


class ProviderError(SaliserveError):
    """An ONNX Runtime execution provider is missing or failed."""

    code = "provider_error"


class SettingsError(SaliserveError):
    """The service's configuration is wrong."""

    code = "settings_error"


class ExplanationError(SaliserveError):
    """An explanation was computed and is not a finite map."""

    code = "explanation_error"


class TransportError(SaliserveError):
    """No answer that can be read."""

    code = "transport"


class UnreachableError(TransportError):
    """Wrong address, nothing listening there, or its TLS certificate is refused."""

    code = "unreachable"


class AnswerTimeoutError(TransportError):
    """Connected, but no answer came within the time limit."""

    code = "answer_timeout"


class ConnectionLostError(TransportError):
    """The connection broke before the whole answer had come."""

    code = "connection_lost"


class UnexpectedAnswerError(TransportError):
    """An answer came, but not one of this contract."""

    code = "unexpected_answer"


class VersionError(UnexpectedAnswerError):
    """The service is of another major version than this client."""

    code = "other_version"


class LocalError(SaliserveError):
    """Something on this computer."""

    code = "local"


class FileError(LocalError):
    """A file to read is missing, a folder, or not permitted."""

    code = "unreadable_file"


class MissingPackageError(LocalError):
    """An optional package is needed for this."""

    code = "missing_package"


class OutputError(LocalError):
    """A result cannot be written."""

    code = "unwritable_output"


class RunError(LocalError):
    """A scoring run cannot be started or continued as asked."""

    code = "run_refused"


def _by_code(base: type[SaliserveError]) -> dict[str, type[SaliserveError]]:
    found = {base.code: base}
    for heir in base.__subclasses__():
        found.update(_by_code(heir))
    return found


BY_CODE: dict[str, type[SaliserveError]] = _by_code(SaliserveError)
"""The classes of the tree by their code."""
