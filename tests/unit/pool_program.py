"""A program with a pool of two processes, to be killed by a test."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

from crystalgui.core.processes import end_with_parent


def work(_: int) -> bytes:
    return bytes(1_000_000)  # fills the pipe, as results do


def main() -> None:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context, initializer=end_with_parent) as pool:
        answers = [pool.submit(work, i) for i in range(10_000)]
        answers[0].result()
        print(*pool._processes, flush=True)
        for answer in answers:
            answer.result()


if __name__ == "__main__":
    main()
