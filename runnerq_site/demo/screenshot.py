"""Take README's screenshot of a running demo: ``uv run python -m runnerq_site.demo.screenshot SIGN-IN-LINK``."""

import shutil
import sys
from urllib.parse import urljoin

from playwright.sync_api import sync_playwright

from runnerq_site.reference import ROOT

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--hide-scrollbars",
]


def main(link: str) -> None:
    """Sign in, let the page fill, keep what it shows."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 800}, device_scale_factor=1.5)
        page.goto(link, wait_until="networkidle")
        page.goto(urljoin(link, "/?window=15m"), wait_until="networkidle")
        page.wait_for_timeout(3_000)
        page.screenshot(path=ROOT / "docs/screenshots/overview.png")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1])
