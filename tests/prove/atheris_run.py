"""Atheris on one target, in a process of its own: `python -m tests.prove.atheris_run TARGET SECONDS CORPUS`.

Bytes are changed as libFuzzer does, or, where they are JSON, as `mutations` does: else hardly any would get past a
parser.
"""

import json
import os
import random
import sys

import atheris

with atheris.instrument_imports(include=["bundle", "service", "json", "zipfile"]):
    from tests.prove.targets import TARGETS
from tests.prove.mutations import mutated


def mutator(data: bytes, max_size: int, seed: int) -> bytes:
    """The next input from one that was of interest."""
    drawn = random.Random(seed)
    if drawn.random() < 0.5:
        try:
            document = json.loads(data)
            for _ in range(drawn.randrange(1, 4)):
                document = mutated(drawn, document)
            return json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")[:max_size]
        except (ValueError, RecursionError):
            pass
    return bytes(atheris.Mutate(data, len(data)))


def main() -> None:
    """Fuzz until the time is over, or something is found: then the exit status isn't 0."""
    name, seconds, corpus = sys.argv[1:4]
    target = TARGETS[name]
    is_broken = os.environ.get("PROVE_FAULT") == "defect"

    def call(data: bytes) -> None:
        if is_broken and b"spam" in data:
            raise RuntimeError("a defect, put in on purpose")
        target(data)

    limits = [f"-max_total_time={seconds}", "-max_len=65536", "-timeout=10", "-rss_limit_mb=2048", "-seed=1"]
    atheris.Setup([sys.argv[0], *limits, f"-artifact_prefix={corpus}-found-", corpus], call, custom_mutator=mutator)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
