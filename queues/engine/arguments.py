"""Arguments and results between Python and JSON: encoded by value, decoded by the handler's annotations."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from os import PathLike, fspath
from typing import Any, Final, get_type_hints

import msgspec

from queues.domain.activity import EMPTY_ARGS, EMPTY_KWARGS
from queues.domain.errors import Invalid, PayloadTooLarge

NULL: Final = b"null"
_EMPTY_ARGS: Final = bytes(EMPTY_ARGS)
_EMPTY_KWARGS: Final = bytes(EMPTY_KWARGS)
_POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_UNENCODABLE: Final = (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError)


class InvalidArguments(Invalid):
    """The arguments do not fit the handler."""

    code = "invalid_arguments"


def _to_builtin(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, PathLike):
        return fspath(value)
    if hasattr(value, "_meta") and hasattr(value, "pk"):
        raise TypeError(
            f"a {type(value).__name__} row: pass its primary key ({value.pk!r}) and fetch it in the handler"
        )
    raise TypeError(f"no JSON form for {type(value).__name__}")


def _from_builtin(hint: Any, value: Any) -> Any:
    if hasattr(hint, "model_validate"):
        return hint.model_validate(value)
    if isinstance(hint, type) and issubclass(hint, PathLike) and isinstance(value, str):
        return hint(value)  # type: ignore[call-arg]
    if hint is object:
        return value
    raise NotImplementedError(f"cannot build {getattr(hint, '__name__', hint)} from JSON")


_encoder: Final = msgspec.json.Encoder(enc_hook=_to_builtin)


def encode_result(value: Any, limit: int) -> bytes:
    """Return the JSON of what a handler returned.

    Raises:
        PayloadTooLarge: more than ``limit`` bytes.
        Invalid: it has no JSON form.
    """
    if value is None:
        return NULL
    try:
        encoded = _encoder.encode(value)
    except _UNENCODABLE as exc:
        raise Invalid(f"the result cannot be kept as JSON: {exc}") from exc
    if len(encoded) > limit:
        raise PayloadTooLarge(
            f"the result is {len(encoded):,} bytes of JSON, at most {limit:,}: return a reference"
        )
    return encoded


def decode_result(encoded: bytes, hint: Any) -> Any:
    """Return the result as ``hint`` says, or as plain JSON types where there is no hint."""
    if hint is Any:
        return msgspec.json.decode(encoded)
    try:
        return msgspec.json.decode(encoded, type=hint, dec_hook=_from_builtin)
    except (TypeError, NotImplementedError):
        # An annotation such as a protocol cannot be built; what it describes is still there as JSON.
        return msgspec.json.decode(encoded)


class Arguments:
    """The parameters of one handler: checks a call, encodes it, and decodes it on the other side."""

    def __init__(self, function: Callable[..., Any], type_name: str) -> None:
        self._function = function
        self._type = type_name
        self._signature = inspect.signature(function)
        parameters = list(self._signature.parameters.values())
        self._positional = [p for p in parameters if p.kind in _POSITIONAL]
        self._simple = all(p.kind in _POSITIONAL for p in parameters)
        self._required = sum(p.default is p.empty for p in self._positional)
        self.hint_of = cache(self._hint_of)
        self._tuple_of = cache(self._tuple_type)

    def require(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Pass when the function could be called so.

        Raises:
            InvalidArguments: it could not, with Python's own words.
        """
        if self._simple and not kwargs and self._required <= len(args) <= len(self._positional):
            return
        try:
            self._signature.bind(*args, **kwargs)
        except TypeError as exc:
            raise InvalidArguments(f"{self._type}{self._signature}: {exc}") from None

    def encode(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], limit: int
    ) -> tuple[msgspec.Raw, msgspec.Raw]:
        """Return both as JSON.

        Raises:
            InvalidArguments: one of them has no JSON form; the message names it.
            PayloadTooLarge: together more than ``limit`` bytes.
        """
        try:
            encoded_args = _encoder.encode(args) if args else _EMPTY_ARGS
            encoded_kwargs = _encoder.encode(kwargs) if kwargs else _EMPTY_KWARGS
        except _UNENCODABLE as exc:
            raise InvalidArguments(self._blame(args, kwargs) or f"{self._type}: {exc}") from exc
        size = len(encoded_args) + len(encoded_kwargs)
        if size > limit:
            raise PayloadTooLarge(
                f"{self._type}: the arguments are {size:,} bytes of JSON, at most {limit:,}: pass a reference"
            )
        return msgspec.Raw(encoded_args), msgspec.Raw(encoded_kwargs)

    def decode(self, args: msgspec.Raw, kwargs: msgspec.Raw) -> tuple[Sequence[Any], dict[str, Any]]:
        """Return what to call the function with; a parameter without annotation gets plain JSON types.

        Raises:
            InvalidArguments: they do not fit the parameters or their annotations.
        """
        try:
            values: Sequence[Any] = () if bytes(args) == _EMPTY_ARGS else self._decode_args(args)
            named = {} if bytes(kwargs) == _EMPTY_KWARGS else self._decode_kwargs(kwargs)
        except (msgspec.MsgspecError, NotImplementedError, ValueError, TypeError) as exc:
            raise InvalidArguments(f"{self._type}{self._signature}: {exc}") from exc
        self.require(values, named)
        return values, named

    def returns(self) -> Any:
        """Return the annotation of the result, ``Any`` where there is none."""
        return self.hint_of("return")

    def _decode_args(self, args: msgspec.Raw) -> Sequence[Any]:
        plain = msgspec.json.decode(args)
        hint = self._tuple_of(len(plain))
        return plain if hint is None else msgspec.convert(plain, hint, dec_hook=_from_builtin)  # type: ignore[no-any-return]

    def _decode_kwargs(self, kwargs: msgspec.Raw) -> dict[str, Any]:
        plain: dict[str, Any] = msgspec.json.decode(kwargs)
        for name, value in plain.items():
            hint = self.hint_of(name)
            if hint is not Any:
                try:
                    plain[name] = msgspec.convert(value, hint, dec_hook=_from_builtin)
                except msgspec.ValidationError as exc:
                    raise InvalidArguments(f"{self._type}: argument {name!r}: {exc}") from exc
        return plain

    def _tuple_type(self, length: int) -> Any:
        rest = next((p for p in self._signature.parameters.values() if p.kind is p.VAR_POSITIONAL), None)
        names = [p.name for p in self._positional[:length]]
        hints = [self.hint_of(name) for name in names]
        hints += [self.hint_of(rest.name) if rest else Any] * (length - len(names))
        return None if all(hint is Any for hint in hints) else tuple[tuple(hints)]  # type: ignore[misc]

    def _hint_of(self, name: str) -> Any:
        try:
            return _hints(self._function).get(name, Any)
        except (NameError, TypeError):
            # An annotation that only a type checker can resolve says nothing here.
            return Any

    def _blame(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        names = [p.name for p in self._positional]
        named = [(names[i] if i < len(names) else f"#{i + 1}", value) for i, value in enumerate(args)]
        for name, value in [*named, *kwargs.items()]:
            try:
                _encoder.encode(value)
            except _UNENCODABLE as exc:
                return f"{self._type}: argument {name!r} cannot be sent as JSON: {exc}"
        return ""


@cache
def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    return get_type_hints(function, include_extras=True)
