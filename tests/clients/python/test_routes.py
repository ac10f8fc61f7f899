"""The list of routes is complete for this SDK."""

import subprocess
import sys
from pathlib import Path

ROUTES = Path(__file__).parents[2] / "routes"


def test_every_route_is_listed():
    found = subprocess.run([sys.executable, ROUTES / "sdk.py"], check=True, capture_output=True, text=True).stdout
    listed = (ROUTES / "openai.txt").read_text().splitlines()
    version, *routes = found.splitlines()
    missing = [route for route in routes if route not in listed]
    assert not missing, "\n".join([f"{version}: routes missing in tests/routes/openai.txt", *missing])
