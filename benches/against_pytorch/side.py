"""How a side of the comparison answers the Rust bench: what torch_side.py and ncnn_side.py share.

A side builds its workload, computes the numbers that all must agree on, and prints {"ready": ..., "numbers": {...}}.
Then, for each line on stdin, "go N" runs N steps and prints {"secs": [N seconds]}, until stdin ends.
Every line carries "peak_memory_mb", the most the process has had in memory so far, in 10^6 bytes.
"""

import json
import sys
import time


def peak_memory_mb():
    """Not ru_maxrss, which a process inherits from the one that started it."""
    try:
        with open("/proc/self/status") as status:
            kilobytes = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return None  # no Linux
    return round(kilobytes * 1024 / 1e6, 1)


def say(**line):
    print(json.dumps(line | {"peak_memory_mb": peak_memory_mb()}), flush=True)


def serve(tool, workload, start_memory_mb):
    """Answers until stdin ends."""
    say(ready=tool, numbers=workload.numbers(), start_memory_mb=start_memory_mb)
    for line in sys.stdin:
        match line.split():
            case ["go", count] if count.isdigit():
                secs = []
                for _ in range(int(count)):
                    start = time.perf_counter()
                    workload.step()
                    secs.append(time.perf_counter() - start)
                say(secs=secs)
            case []:
                continue
            case _:
                sys.exit(f'{sys.argv[0]}: {line.strip()!r} is no request. Send "go N".')
