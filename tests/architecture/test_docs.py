"""README and docs say what is so: generated parts are current, links lead somewhere, names exist."""

import dataclasses
import re
import subprocess
from pathlib import Path

import pytest

from queues.conf import Conf
from queues.domain.record import first_headers, later_headers
from queues.domain.states import Cause
from queues.hot.keys import Keys
from runnerq_site.reference import CAUSES, PARTS, ROOT, VARIABLES, pages, renewed

OTHERS = [ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md"]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def anchors(text: str) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    return target.exists() and (not anchor or anchor in anchors(target.read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", pages(), ids=named)
def test_generated_parts_are_current(page: Path):
    text = page.read_text(encoding="utf-8")
    assert renewed(text) == text, "renew it: uv run python -m runnerq_site.reference"


def test_every_generated_part_is_used():
    text = "".join(page.read_text(encoding="utf-8") for page in pages())
    assert set(re.findall(r"<!-- generated: (\w+) -->", text)) == set(PARTS)


@pytest.mark.parametrize("page", [*pages(), *OTHERS], ids=named)
def test_every_relative_link_leads_somewhere(page: Path):
    links = LINK.findall(page.read_text(encoding="utf-8"))
    inside = [link for link in links if not link.startswith(("http://", "https://"))]
    assert [link for link in inside if not leads_somewhere(page, link)] == []


def test_readme_has_one_screenshot_and_the_two_commands():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(re.findall(r"!\[[^\]]+\]\(docs/screenshots/", text)) == 1
    assert "python3 -m pip install uv && uv run manage.py demo\nuv run pytest\n" in text


def test_every_setting_says_what_it_is():
    assert [f.name for f in dataclasses.fields(Conf) if not f.metadata.get("help")] == []


def test_every_variable_that_settings_read_is_described():
    settings = (ROOT / "runnerq_site" / "settings.py").read_text(encoding="utf-8")
    read = set(re.findall(r'env\.(?:text|flag|whole|listed|required)\(\s*"([A-Z_]+)"', settings))
    described = {name for variable in VARIABLES for name in variable.name.split(", ")}
    addresses = {"KAFKA_BROKERS", "REDIS_URL", "DATABASE_URL"}
    prefixed = {name for name in described if "…" in name} | {"KAFKA_SECURITY_PROTOCOL"}
    assert read | addresses | prefixed == described


def test_every_cause_of_the_state_machine_has_words():
    assert {cause.split()[0] for cause in CAUSES} == set(Cause)


def test_every_redis_key_of_scripts_and_keys_is_described():
    page = (ROOT / "docs" / "redis-keys.md").read_text(encoding="utf-8")
    described = {name.split(":")[0] for name in re.findall(r"`([a-z:{}]+)`", page)}
    scripts = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "queues/hot/lua").rglob("*.lua"))
    used = set(re.findall(r"K \.\. '([a-z]+):?'", scripts))
    used |= {value.removeprefix("p:{q}:") for value in vars(Keys("p", "q")).values()} - {""}
    assert {name.split(":")[0] for name in used} - described == set()


def test_every_header_of_a_record_is_described():
    from queues.domain.activity import Activity

    activity = Activity(id="i", queue="q", type="t", due_ms=1, workflow="q/w")
    page = (ROOT / "docs" / "topics.md").read_text(encoding="utf-8")
    headers = {name for name, _ in [*first_headers(activity), *later_headers(activity, "n:1", "n.0")]}
    assert headers == set(re.findall(r"^\| `(\w)` \|", page, re.MULTILINE))


def test_every_file_that_a_page_names_exists():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    known = set(tracked.split())
    for page in pages():
        text = page.read_text(encoding="utf-8")
        paths = re.findall(r"`((?:queues|runnerq_site|tests|docs)/[\w./-]+\.\w+)`", text)
        assert [path for path in paths if path not in known] == [], named(page)
