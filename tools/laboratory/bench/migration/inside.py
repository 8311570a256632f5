# SPDX-License-Identifier: Apache-2.0
"""The part that runs in the cloud's controller, where users and the API are.

``RUNS CELLS`` (a list, in JSON) prints a row of the results per line, as JSON;
what it says meanwhile, and a failure, go to standard error.
"""

import contextlib
import json
import pathlib
import sys
import tempfile

from laboratory.bench.migration import plan
from laboratory.bench.migration.runner import Runner
from laboratory.cloud import api, clouds, machines
from laboratory.cloud.api import Cloud
from laboratory.layout import Layout
from laboratory.progress import Failure, Progress


def _run(runs: int, cells: list[plan.Cell]) -> None:
    """:raises Failure: something else than what is measured went wrong"""
    place = clouds.up(Layout.from_environment())
    cloud = Cloud(lambda host: machines.compute_log(place, host))
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        runner = stack.enter_context(Runner(
            cloud, place, pathlib.Path(folder), Progress()))
        with api.requests(place):
            for block in plan.blocks(cells):
                for row in runner.block(block, runs):
                    print(json.dumps(row), flush=True)


def main(arguments: list[str]) -> int:
    try:
        _run(int(arguments[0]), [plan.Cell(**cell)
                                 for cell in json.loads(arguments[1])])
    except Failure as failure:
        print(f'bench: {failure}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
