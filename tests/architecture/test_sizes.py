"""Files and functions stay small enough to be read at one sitting."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
FILE_LINES, SCRIPT_LINES, FUNCTION_LINES = 400, 60, 50
FORBIDDEN_NAMES = {"utils.py", "helpers.py", "common.py", "base.py"}

# Path, or path and function → why it may be larger.
LONGER: dict[str, str] = {}


def sources(*folders: str, suffix: str = ".py") -> list[Path]:
    return [
        path
        for folder in folders
        for path in sorted((ROOT / folder).rglob(f"*{suffix}"))
        if "migrations" not in path.parts and "vendor" not in path.parts
    ]


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def length(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            yield node.name, node.end_lineno - node.lineno + 1


def test_no_python_file_is_longer_than_its_cap():
    long = {named(path): length(path) for path in sources("queues", "runnerq_site", "tests")}
    assert {name: lines for name, lines in long.items() if lines > FILE_LINES and name not in LONGER} == {}


def test_no_lua_script_is_longer_than_its_cap():
    long = {named(path): length(path) for path in sources("queues", suffix=".lua")}
    assert {name: lines for name, lines in long.items() if lines > SCRIPT_LINES and name not in LONGER} == {}


def test_no_function_is_longer_than_its_cap():
    long = {
        f"{named(path)}:{name}": lines
        for path in sources("queues", "runnerq_site")
        for name, lines in functions(path)
    }
    assert {
        name: lines for name, lines in long.items() if lines > FUNCTION_LINES and name not in LONGER
    } == {}


def test_every_exception_is_still_needed():
    for name in LONGER:
        path, _, function = name.partition(":")
        cap = SCRIPT_LINES if path.endswith(".lua") else FUNCTION_LINES if function else FILE_LINES
        lines = dict(functions(ROOT / path))[function] if function else length(ROOT / path)
        assert lines > cap, f"{name} has {lines} lines: take it off the list"


def test_no_file_is_named_for_having_no_subject():
    found = [named(path) for path in sources("queues", "runnerq_site", "tests")]
    assert [name for name in found if name.rsplit("/", 1)[-1] in FORBIDDEN_NAMES] == []
