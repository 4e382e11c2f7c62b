"""What browsers load: ours alone, small, as the manifest says, nothing inline."""

import gzip
import hashlib
import json
import re
from pathlib import Path

import pytest

import queues

STATIC = Path(queues.__file__).parent / "static" / "queues"
TEMPLATES = sorted((Path(queues.__file__).parent / "templates").rglob("*.html"))
OWN = sorted([*STATIC.glob("js/*.js"), *STATIC.glob("css/*.css")])


def test_vendored_files_are_the_ones_of_the_manifest():
    listed = json.loads((STATIC / "vendor" / "manifest.json").read_text())
    present = {p.name for p in (STATIC / "vendor").iterdir()} - {"manifest.json"}
    assert {entry["file"] for entry in listed} == {n for n in present if not n.endswith("LICENSE.txt")}
    for entry in listed:
        body = (STATIC / "vendor" / entry["file"]).read_bytes()
        assert hashlib.sha256(body).hexdigest() == entry["sha256"], entry["file"]
        assert entry["licence"]
        assert entry["version"]


@pytest.mark.parametrize("path", [*TEMPLATES, *OWN], ids=lambda p: p.name)
def test_nothing_comes_from_elsewhere(path: Path):
    text = path.read_text().replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"""(https?:)?//[a-z0-9.-]+\.[a-z]""", text, re.IGNORECASE), path


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: p.name)
def test_templates_hold_no_inline_script_or_style(path: Path):
    text = path.read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)", text)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|hx-on|\bjs:", text)


def test_own_script_is_at_most_25_kb():
    assert sum(p.stat().st_size for p in STATIC.glob("js/*.js")) <= 25_000


@pytest.mark.parametrize("path", sorted(STATIC.glob("js/*.js")), ids=lambda p: p.name)
def test_own_script_evaluates_no_strings(path: Path):
    assert not re.search(r"\beval\(|new Function|setTimeout\([\"'`]|document\.write", path.read_text())


def test_the_first_page_is_at_most_150_kb_compressed():
    import django_htmx

    htmx = Path(django_htmx.__file__).parent / "static/django_htmx/htmx-2.min.js"
    vendor = [p for p in (STATIC / "vendor").iterdir() if p.suffix in {".js", ".css", ".svg", ".woff2"}]
    total = sum(
        p.stat().st_size if p.suffix == ".woff2" else len(gzip.compress(p.read_bytes()))
        for p in [htmx, *vendor, *OWN, STATIC / "mark.svg"]
    )
    assert total <= 140_000, total  # leaves 10 kB for the page itself
