"""Pages load nothing from elsewhere, and what the policy forbids is not in them."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
# Names of XML vocabularies, which no browser fetches.
VOCABULARIES = re.compile(r"https?://(www\.)?w3\.org/\S*")
# What makes a browser fetch: attributes and CSS functions. A plain link is followed by people only.
FETCHES = [
    re.compile(
        r"<(?!a\b)[a-z][^>]*\s(?:src|href|srcset|action|data|poster)\s*=\s*[\"']?\s*(?:https?:)?//",
        re.IGNORECASE,
    ),
    re.compile(r"url\(\s*[\"']?\s*(?:https?:)?//", re.IGNORECASE),
    re.compile(r"@import\s+[\"'](?:https?:)?//", re.IGNORECASE),
    re.compile(
        r"(?:fetch|WebSocket|EventSource|importScripts|import)\s*\(\s*[\"'`](?:https?:|wss?:)?//",
        re.IGNORECASE,
    ),
    re.compile(r"\bfrom\s+[\"'](?:https?:)?//", re.IGNORECASE),
]
INLINE = [
    re.compile(r"<script(?![^>]*\ssrc=)[^>]*>\s*\S", re.IGNORECASE),
    re.compile(r"<style\b", re.IGNORECASE),
    re.compile(r"<[^>]+\sstyle\s*=", re.IGNORECASE),
    re.compile(r"<[^>]+\son[a-z]+\s*=", re.IGNORECASE),
    re.compile(r"href\s*=\s*[\"']?javascript:", re.IGNORECASE),
]


def files(*suffixes: str) -> list[Path]:
    return [
        path
        for folder in ("queues", "runnerq_site")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in suffixes and path.is_file()
    ]


def offences(path: Path, patterns: list[re.Pattern[str]]) -> list[str]:
    text = VOCABULARIES.sub("", path.read_text(encoding="utf-8"))
    return [
        f"{path.relative_to(ROOT)}: {match.group(0)}" for each in patterns for match in each.finditer(text)
    ]


def test_no_template_style_or_script_fetches_from_elsewhere():
    found = [line for path in files(".html", ".css", ".js", ".svg") for line in offences(path, FETCHES)]
    assert found == []


def test_no_template_has_inline_script_or_style():
    assert [line for path in files(".html") for line in offences(path, INLINE)] == []


@pytest.mark.parametrize(
    ("text", "patterns"),
    [
        ('<script src="https://cdn.example/x.js"></script>', FETCHES),
        ('<link rel="stylesheet" href=//cdn.example/x.css>', FETCHES),
        ("a { background: url(https://cdn.example/x.png) }", FETCHES),
        ('@import "https://cdn.example/x.css";', FETCHES),
        ('import x from "https://cdn.example/x.js"', FETCHES),
        ("<script>alert(1)</script>", INLINE),
        ('<p style="color: red">', INLINE),
        ('<button onclick="go()">', INLINE),
    ],
)
def test_the_patterns_find_what_they_are_for(text: str, patterns: list[re.Pattern[str]]):
    assert any(each.search(text) for each in patterns)


def test_a_link_that_people_follow_is_fine():
    assert not any(each.search('<a href="https://kafka.apache.org/">Kafka</a>') for each in FETCHES)
