# SPDX-License-Identifier: Apache-2.0
"""An earlier release of this project, for a cloud whose first host has it."""

import subprocess

from laboratory.layout import REPOSITORY
from laboratory.progress import Failure
from laboratory.testbed.settings import Place


def unpack(place: Place) -> None:
    """Take it out of this repository's history.

    :raises Failure: it is not there, as in a clone without a history
    """
    assert place.cloud.earlier is not None
    place.earlier.mkdir()
    with subprocess.Popen(
            ['git', '-C', REPOSITORY, 'archive', place.cloud.earlier],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE) as archive:
        unpacked = subprocess.run(['tar', '-x', '-C', place.earlier],
                                  stdin=archive.stdout, capture_output=True)
        assert archive.stderr is not None
        said = archive.stderr.read() or unpacked.stderr
    if archive.returncode or unpacked.returncode:
        raise Failure('earlier release', f'{place.cloud.earlier}: '
                      + said.decode(errors='replace').strip())
