"""Arguments and results: what survives the way through JSON, and what is refused."""

import dataclasses
import datetime as dt
import uuid
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec
import pytest

from queues.domain.errors import Invalid, PayloadTooLarge
from queues.engine.arguments import Arguments, InvalidArguments, decode_result, encode_result

LIMIT = 1024 * 1024


@dataclasses.dataclass
class Point:
    x: int
    y: int


class Colour(Enum):
    RED = "red"


class Model:
    """As pydantic's look to us."""

    def __init__(self, name: str) -> None:
        self.name = name

    def model_dump(self, mode: str) -> dict[str, str]:
        return {"name": self.name}

    @classmethod
    def model_validate(cls, value: dict[str, str]) -> "Model":
        return cls(**value)


def through(function: Any, *args: Any, **kwargs: Any) -> tuple[list[Any], dict[str, Any]]:
    arguments = Arguments(function, "app.f")
    values, named = arguments.decode(*arguments.encode(args, kwargs, LIMIT))
    return list(values), named


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (Point, Point(1, 2)),
        (dt.datetime, dt.datetime(2030, 1, 2, 3, 4, 5, tzinfo=dt.UTC)),
        (dt.timedelta, dt.timedelta(seconds=90)),
        (uuid.UUID, uuid.UUID(int=7)),
        (Decimal, Decimal("1.10")),
        (Colour, Colour.RED),
        (bytes, b"\x00\xff"),
        (Path, Path("/tmp/x")),
        (list[Point], [Point(1, 2)]),
        (tuple[int, str], (1, "a")),
        (set[int], {1, 2}),
        (int | None, None),
        (int, 2**80),
    ],
)
def test_an_annotated_argument_arrives_as_it_was(hint: Any, value: Any) -> None:
    def f(a): ...

    f.__annotations__["a"] = hint
    assert through(f, value) == ([value], {})
    assert through(f, a=value) == ([], {"a": value})


def test_a_pydantic_like_model_arrives_as_one() -> None:
    def f(m: Model): ...

    (model,), _ = through(f, Model("x"))
    assert model.name == "x"


def test_without_annotations_plain_json_types_arrive() -> None:
    def f(a, *rest, **more): ...

    assert through(f, (1, 2), {"k": Decimal(1)}, z=dt.date(2030, 1, 1)) == (
        [[1, 2], {"k": "1"}],
        {"z": "2030-01-01"},
    )


def test_annotations_of_star_arguments_are_used_too() -> None:
    def f(*points: Point): ...

    assert through(f, Point(1, 2), Point(3, 4)) == ([Point(1, 2), Point(3, 4)], {})


def test_an_annotation_that_only_a_type_checker_knows_is_ignored() -> None:
    def f(a: "Nowhere"): ...  # noqa: F821

    assert through(f, 5) == ([5], {})


def test_a_value_that_breaks_its_annotation_is_refused_by_name_on_the_other_side() -> None:
    def f(a: int): ...

    arguments = Arguments(f, "app.f")
    with pytest.raises(InvalidArguments, match="Expected `int`, got `str`"):
        arguments.decode(msgspec.Raw(b'["x"]'), msgspec.Raw(b"{}"))
    with pytest.raises(InvalidArguments, match="argument 'a'"):
        arguments.decode(msgspec.Raw(b"[]"), msgspec.Raw(b'{"a":"x"}'))


def test_arguments_of_an_older_signature_are_refused_before_the_handler_runs() -> None:
    def f(a: int): ...

    with pytest.raises(InvalidArguments, match="too many positional arguments"):
        Arguments(f, "app.f").decode(msgspec.Raw(b"[1,2]"), msgspec.Raw(b"{}"))


def test_a_model_row_is_refused_with_the_way_out() -> None:
    class Row:
        _meta = None
        pk = 7

    def f(row): ...

    with pytest.raises(InvalidArguments, match="pass its primary key"):
        through(f, Row())


def test_a_lone_surrogate_is_refused_by_name() -> None:
    def f(text): ...

    with pytest.raises(InvalidArguments, match="argument 'text'"):
        through(f, "\ud800")


def test_results_go_the_same_way() -> None:
    assert encode_result(None, LIMIT) == b"null"
    assert decode_result(encode_result(Point(1, 2), LIMIT), Point) == Point(1, 2)
    assert decode_result(encode_result(Point(1, 2), LIMIT), Any) == {"x": 1, "y": 2}
    with pytest.raises(Invalid, match="cannot be kept as JSON"):
        encode_result(object(), LIMIT)
    with pytest.raises(PayloadTooLarge, match="return a reference"):
        encode_result("x" * 100, 50)
