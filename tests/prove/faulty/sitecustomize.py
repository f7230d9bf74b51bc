"""Faults inside the service's processes, for promises that no proxy can break: Python imports this from `PYTHONPATH`.

Only `SABOTAGE=…` puts this folder there; `PROVE_FAULT` names the fault.
"""

import os
import threading
import time


def _leak() -> None:
    kept = []
    while True:
        kept.append(bytearray(os.urandom(1 << 16)) * 64)
        time.sleep(0.2)


if os.environ.get("PROVE_FAULT") == "leak":
    threading.Thread(target=_leak, daemon=True).start()
