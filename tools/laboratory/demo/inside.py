# SPDX-License-Identifier: Apache-2.0
"""The part that runs in the cloud's controller, where users and the API are.

``MIGRATIONS TRIAL...`` prints its results as JSON; what it says meanwhile,
and a failure, go to standard error.
"""

import json
import pathlib
import sys
import tempfile

from laboratory.cloud import api, clouds, machines
from laboratory.cloud.api import Cloud
from laboratory.layout import Layout
from laboratory.progress import Failure, Progress
from laboratory.users import entries
from laboratory.users.entries import Results
from laboratory.users.subject import DMORE, STOCK
from laboratory.users.trial import Runner

_TRIALS = {trial.name: trial for trial in (STOCK, DMORE)}


def _run(count: int, names: list[str], results: Results) -> None:
    """:raises Failure: something else than what is measured went wrong"""
    place = clouds.up(Layout.from_environment())
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(
            Cloud(lambda host: machines.compute_log(place, host)), place,
            pathlib.Path(folder), Progress())
        with api.requests(place):
            for name in names:
                results[name] = []
                for entry in runner.run(_TRIALS[name], count):
                    results[name].append(entry)


def main(arguments: list[str]) -> int:
    results: Results = {}
    try:
        _run(int(arguments[0]), arguments[1:], results)
    except Failure as failure:
        print(f'demo: {failure}', file=sys.stderr)
        return 1
    finally:
        json.dump(entries.dump(results), sys.stdout)
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
