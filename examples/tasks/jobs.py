"""What takes time: each function runs as a task, in the context of the release that is live."""

import time
from pathlib import Path

import serai

DATA = Path("/data")


@serai.task(retries=2, channel="count")
def count(to, seconds=0.1):
    """Count, slowly; whoever cancels it finds its place tidy."""
    try:
        for number in range(1, to + 1):
            serai.progress(number / to, f"{number} of {to}")
            print("at", number)
            time.sleep(seconds)
    except serai.Canceled:
        print("stopped: tidying up")
        raise
    return {"counted": to}


@serai.task
def square(number):
    """One part of a larger whole."""
    return number * number


@serai.task
def total():
    """Add up what the tasks before it returned."""
    return sum(serai.results())


def tick():
    """Note the time; a schedule calls it."""
    with (DATA / "ticks").open("a") as ticks:
        ticks.write(f"{time.time():.0f}\n")
