"""The scripts of the page "At scale", run as users run them."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import structmat as sm

ROOT = Path(sm.__file__).parents[1]
RECIPES = ROOT / "docs/recipes"


def run(*command: str, **variables: str) -> str:
    loopback = next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    here = {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": loopback, "PYTHONPATH": path, **variables}
    ran = subprocess.run(
        [sys.executable, *command], env={**os.environ, **here}, capture_output=True, text=True, check=False, timeout=300
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout
