"""Run commands as one pipeline and print a JSON object: `seconds`, `peak_mb` of the largest of them, `output` of the last one.

A process of its own, because a child's peak begins with what its parent held when it was started: this one imports little, so
nothing below some 15 MB can be told apart.
"""

import json
import resource
import subprocess
import sys
import time


def main(commands: list[list[str]]) -> int:
    """Print, and 1 where a command failed."""
    began = time.perf_counter()
    started: list[subprocess.Popen[bytes]] = []
    upstream = None
    for command in commands:
        process = subprocess.Popen(command, stdin=upstream or subprocess.DEVNULL, stdout=subprocess.PIPE)
        if upstream:
            # Only the reader may hold it, or a writer whose reader is gone would wait for ever.
            upstream.close()
        upstream = process.stdout
        started.append(process)
    output = upstream.read().decode() if upstream else ""
    codes = [process.wait() for process in started]
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mb": peak, "output": output}))
    return int(any(codes))


if __name__ == "__main__":
    raise SystemExit(main(json.loads(sys.argv[1])))
