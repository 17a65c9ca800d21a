"""Each example does what it says."""

from __future__ import annotations

import re
import subprocess
import sys
import time

from harness import ROOT


def test_digits() -> None:
    began = time.monotonic()
    demo = subprocess.run(
        [sys.executable, ROOT / "examples" / "digits" / "demo.py"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    print(demo.stdout, demo.stderr)
    last = demo.stdout.strip().splitlines()[-1]
    line = re.fullmatch(
        r"demo: answered=(\d+)/(\d+) accuracy=(0\.\d{3}) lost=0 duplicated=0 killed_workers=1", last
    )
    assert line, last
    assert demo.returncode == 0
    assert line[1] == line[2]
    assert int(line[2]) % 899 == 0
    assert float(line[3]) > 0.95
    assert time.monotonic() - began < 60
