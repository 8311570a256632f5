# SPDX-License-Identifier: Apache-2.0
"""Run steps that depend on each other, as many at once as can be."""

import concurrent.futures
import graphlib
from collections.abc import Callable, Mapping, Sequence

from laboratory.progress import Progress

#: A step's name, to what must be done before it and what it does.
Graph = Mapping[str, tuple[Sequence[str], Callable[[], None]]]


def run(graph: Graph, progress: Progress) -> None:
    """Do every step after those that it names.

    When one fails, no further step begins; those under way are waited for, and
    the first failure is raised.

    :raises KeyError: a step names one that does not exist
    :raises ValueError: steps wait for each other in a circle
    """
    for name, (needs, _action) in graph.items():
        for need in needs:
            if need not in graph:
                raise KeyError(f'{name} needs {need}, which does not exist')
    waiting = graphlib.TopologicalSorter(
        {name: needs for name, (needs, _action) in graph.items()})
    waiting.prepare()
    running: dict[concurrent.futures.Future[None], str] = {}

    def timed(name: str) -> None:
        with progress.step(name):
            graph[name][1]()

    with concurrent.futures.ThreadPoolExecutor(len(graph) or 1) as pool:
        while waiting.is_active():
            for name in waiting.get_ready():
                running[pool.submit(timed, name)] = name
            finished, _rest = concurrent.futures.wait(
                running, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in finished:
                future.result()
                waiting.done(running.pop(future))
