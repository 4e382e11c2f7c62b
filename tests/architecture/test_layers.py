"""The import contracts hold (pyproject.toml, tool.importlinter)."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_every_import_contract_is_kept():
    program = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    result = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
