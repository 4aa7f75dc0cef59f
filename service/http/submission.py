"""A request's body and query -> files, and options that are not yet checked."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from service.errors import EmptyImageError, MediaTypeError, OptionError, RequestError
from service.http.json_object import json_object
from service.http.limits import declares_no_body
from service.settings import Settings

IMAGE = "image"
MASK = "mask"
OPTIONS = "options"
"""Name of the form's JSON part."""

_MAX_FILES = 8
"""More than any route takes, so that one too many is refused by its name."""


@dataclass(frozen=True, slots=True)
class RawOptions:
    """Options by name, as they came.

    Args:
        values: Text where *typed* is false, any JSON value where it is true.
        typed: Whether they came as JSON.
    """

    values: Mapping[str, object]
    typed: bool


@dataclass(frozen=True, slots=True)
class Submission:
    """What a caller sent.

    Args:
        files: By field name; ``image`` is always among them.
        options: Not yet checked.
    """

    files: Mapping[str, bytes]
    options: RawOptions

    @property
    def image(self) -> bytes:
        """The picture's file."""
        return self.files[IMAGE]


class _InMemoryParser(MultiPartParser):
    """Keeps files in memory, whose size the body limit bounds, rather than writing pictures to disk."""

    spool_max_size = 2**31

    def close(self) -> None:
        """Let go of all files, those of a form that broke off among them."""
        for file in self._files_to_close_on_error:
            file.close()


async def read_submission(
    request: Request,
    settings: Settings,
    *,
    files: frozenset[str] = frozenset({IMAGE}),
    optional: frozenset[str] = frozenset(),
) -> Submission:
    """Read a picture and options from a request.

    Either a multipart form: the files, and the options as fields or as one JSON part ``options``. Or a
    picture as the raw body, and the options in the query.

    Args:
        request: Its body not yet read.
        settings: The limits on fields.
        files: Names of the files that the route requires.
        optional: Names of files that it takes besides, in a form.

    Raises:
        MediaTypeError: The body is neither of the two.
        RequestError: The form cannot be read, or lacks a file.
        OptionError: An option is given twice, or there are too many.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    query = list(request.query_params.multi_items())
    if media_type == "multipart/form-data":
        parser = _parser(request, settings)
        try:
            return _of_form(await _parse(parser, settings), query, settings, files, optional)
        finally:
            parser.close()
    if declares_no_body(request):
        raise EmptyImageError(
            "the request has no body. Send the picture as the form's file `image` or as the body itself.",
            where=IMAGE,
        )
    if files == {IMAGE} and (media_type.startswith("image/") or media_type == "application/octet-stream"):
        return Submission({IMAGE: await request.body()}, _of_text(query, settings))
    raise MediaTypeError(
        f"the body is {media_type or 'of no stated type'}. Send multipart/form-data with the "
        f"file{'s' if len(files) > 1 else ''} {', '.join(sorted(files))}"
        + (", or a picture as the body with Content-Type: image/jpeg." if files == {IMAGE} else "."),
        where="body",
    )


def _parser(request: Request, settings: Settings) -> _InMemoryParser:
    return _InMemoryParser(
        request.headers,
        request.stream(),
        max_files=_MAX_FILES,
        max_fields=settings.max_form_fields,
        max_part_size=settings.max_field_bytes,
    )


async def _parse(parser: _InMemoryParser, settings: Settings) -> FormData:
    try:
        return await parser.parse()
    except MultiPartException as error:
        raise RequestError(
            f"the form cannot be read: {error.message} At most {settings.max_form_fields} fields of "
            f"{settings.max_field_bytes:,} bytes and {_MAX_FILES} files are accepted.",
            where="body",
        ) from error
    except UnicodeError as error:
        raise RequestError(
            f"the form's fields cannot be decoded: {error}. Send them as UTF-8.", where="body"
        ) from error


def _of_form(
    form: FormData,
    query: list[tuple[str, str]],
    settings: Settings,
    expected: frozenset[str],
    optional: frozenset[str],
) -> Submission:
    items = form.multi_items()
    files = {name: value.file.read() for name, value in items if isinstance(value, UploadFile)}
    texts = [(name, value) for name, value in items if isinstance(value, str)]
    _refuse_twice([*(name for name, _ in items), *(name for name, _ in query)])
    options = files.pop(OPTIONS, None)
    _check_files(files, {name for name, _ in texts}, expected, optional)
    texts += query
    if options is None:
        options = next((value.encode() for name, value in texts if name == OPTIONS), None)
        texts = [(name, value) for name, value in texts if name != OPTIONS]
    if options is None:
        return Submission(files, _of_text(texts, settings))
    if len(options) > settings.max_field_bytes:  # a part with a file name is none of the parser's fields
        raise RequestError(
            f"the part `options` has {len(options):,} bytes; at most {settings.max_field_bytes:,} are accepted.",
            where=OPTIONS,
        )
    if texts:
        raise OptionError(
            f"there are both the JSON part `options` and the field {texts[0][0]!r}. Use one of the two ways.",
            where=f"options.{texts[0][0]}",
        )
    return Submission(
        files, RawOptions(json_object(options, what="the part `options`", where=OPTIONS), typed=True)
    )


def _check_files(
    files: Mapping[str, bytes], texts: set[str], expected: frozenset[str], optional: frozenset[str]
) -> None:
    for name in sorted((expected | (optional & texts)) - files.keys()):
        if name in texts:
            raise RequestError(
                f"`{name}` is a text field; a file is expected. With curl: -F {name}=@photo.jpg (mind the @).",
                where=name,
            )
        raise RequestError(f"the form has no file `{name}`, or was cut short within it.", where=name)
    for name in sorted(files.keys() - expected - optional):
        raise OptionError(
            f"the form has a file {name!r:.80}; only {', '.join(sorted(expected | optional))} and the JSON part "
            "`options` are files.",
            where=name[:80],
        )


def _of_text(items: list[tuple[str, str]], settings: Settings) -> RawOptions:
    _refuse_twice(name for name, _ in items)
    if len(items) > settings.max_form_fields:
        raise OptionError(
            f"there are {len(items):,} options; at most {settings.max_form_fields} are accepted",
            where=OPTIONS,
        )
    return RawOptions(dict(items), typed=False)


def _refuse_twice(names: Iterable[str]) -> None:
    """Which of two values was meant is not ours to guess."""
    for name, count in Counter(names).items():
        if count > 1:
            where = name if name in {IMAGE, OPTIONS} else f"options.{name}"
            raise OptionError(f"{name!r:.80} is given {count} times; expected once", where=where[:80])
