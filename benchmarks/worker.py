"""The child's side of a measurement: one library, alone in a process, does what it is told.

``python -m benchmarks.worker JSON``, with the target ``"module:Class"``, its arguments and the
number of threads. Requests and answers are lines of JSON. The end of the input ends the process,
even within a turn, so that none outlives its parent.
"""

from __future__ import annotations

import importlib
import json
import os
import queue
import sys
import threading
import time
import warnings
from itertools import repeat
from typing import Any


def limit_processors(threads: int) -> None:
    """Stay on as many processors as there are threads: libraries size their pools by them."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def read_requests(requests: queue.SimpleQueue[dict[str, Any]]) -> None:
    """Hand on the lines of the standard input; at its end, end."""
    for line in sys.stdin:
        requests.put(json.loads(line))
    os._exit(0)


def answer(task: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Call a method: seconds a call, seconds a unit (a step of it, say), and what it returned.

    A task that has ``reports_seconds`` returns the time of what counts in its calls.
    """
    call = getattr(task, request["method"])
    time.sleep(request["pause"])
    arguments, repeats = request["arguments"], request["repeats"]
    reports = getattr(task, "reports_seconds", False)
    value, reported = None, 0.0
    started = time.perf_counter()
    for _ in repeat(None, repeats):
        value = call(*arguments)
        if reports:
            reported += value
    seconds = (reported if reports else time.perf_counter() - started) / repeats
    return {"call": seconds, "unit": seconds / getattr(task, "units", 1), "value": value}


def main() -> None:
    """Make the task, then answer requests until there are no more."""
    order = json.loads(sys.argv[1])
    # What libraries print must not come between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    warnings.simplefilter("ignore")
    requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=read_requests, args=(requests,), daemon=True).start()
    limit_processors(order["threads"])
    module, _, name = order["target"].partition(":")
    task: Any = None
    while True:
        try:
            if task is None:
                make = getattr(importlib.import_module(module), name)
                task = make(threads=order["threads"], **order["arguments"])
                reply: dict[str, Any] = {"value": None}
            else:
                reply = answer(task, requests.get())
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(reply) + "\n")
        answers.flush()
        if "error" in reply:
            return


if __name__ == "__main__":
    main()
