# SPDX-License-Identifier: Apache-2.0
"""The part of ``tools/cast`` that needs what the set-up has made."""

import argparse
import pathlib
import shlex
import sys
import tempfile
import time
from typing import TextIO

from laboratory import launch
from laboratory.cast import cli, svg
from laboratory.cast.recording import Recording
from laboratory.clients.subject import Dmore
from laboratory.clients.tmux import Tmux
from laboratory.cloud import api, clouds
from laboratory.cloud.borrowed import borrowed
from laboratory.layout import Layout
from laboratory.progress import Progress
from laboratory.testbed.settings import COMPUTES

_TITLE = 'A console that outlives a live migration'
_COLUMNS, _ROWS, _BELOW_ROWS = 90, 28, 9
_CONSOLE, _ADMINISTRATOR = '0', '1'
#: How fast somebody types, in seconds from key to key.
_KEY_S = 0.05
_STEP_S = 120.0
_PAUSE_S = 2.0
_LOOP = 'n=0; while sleep 0.5; do n=$((n + 1)); echo "line $n"; done'
_HOST = 'openstack server show -f value -c OS-EXT-SRV-ATTR:host {}'
_MIGRATE = ('openstack server migrate --live-migration --host {} --wait {}')


def main(arguments: list[str]) -> int:
    """Record it.

    :returns: the exit status
    """
    options = cli.parser().parse_args(arguments)
    return launch.run('cast', lambda: _record(options))


def _record(options: argparse.Namespace) -> int:
    """:raises Failure: no cloud, or what is played does not come"""
    layout, progress = Layout.from_environment(), Progress()
    with clouds.alone(layout, 'cast'):
        with (borrowed(layout, progress, options.keep) as place,
              tempfile.TemporaryDirectory() as folder):
            subject = Dmore('cast', 'm1.guest', place, api.Cloud(place),
                            pathlib.Path(folder))
            try:
                subject.shell().close()     # until Domain R has booted
                with progress.step('play'), options.file.open('w') as stream:
                    _play(subject, stream)
            finally:
                subject.close()
    if options.svg:
        launch.write(options.svg, svg.picture(
            options.file.read_text().splitlines()))
    progress.say(f'{options.file}: "asciinema play" shows it')
    return 0


def _play(subject: Dmore, stream: TextIO) -> None:
    """:raises Failure: something does not come"""
    *ssh, address = subject.ssh_command()
    openstack = subject.place.layout.venv_program('openstack')
    window = Tmux(f'dmore-{subject.domain}', ['sh'], _COLUMNS, _ROWS)
    try:
        window.split(_BELOW_ROWS, 'sh')
        for pane in (_CONSOLE, _ADMINISTRATOR):
            # What a user's own files would say of keys, hosts and programs.
            window.type(f'PS1="$ "; ssh() {{ {shlex.join(ssh)} "$@"; }}; '
                        f'openstack() {{ {shlex.quote(openstack)} "$@"; }}; '
                        'clear\n', 0, pane)
        with Recording(window.attach(), stream, _TITLE, _COLUMNS, _ROWS):
            _scenes(window, subject, address)
    finally:
        window.close()


def _scenes(window: Tmux, subject: Dmore, address: str) -> None:
    """:raises Failure: something does not come"""
    def say(pane: str, text: str) -> None:
        time.sleep(_PAUSE_S)
        window.type(text + '\r', _KEY_S, pane)

    source, destination = COMPUTES
    say(_CONSOLE, f'ssh {address}')
    time.sleep(_PAUSE_S)
    say(_CONSOLE, _LOOP)
    window.wait_for('line 3', _STEP_S)
    say(_ADMINISTRATOR, _HOST.format(subject.title))
    window.wait_for(source, _STEP_S, _ADMINISTRATOR)
    say(_ADMINISTRATOR, _MIGRATE.format(destination, subject.title))
    window.wait_for('Complete', _STEP_S, _ADMINISTRATOR)
    say(_ADMINISTRATOR, _HOST.format(subject.title))
    window.wait_for(destination, _STEP_S, _ADMINISTRATOR)
    time.sleep(_PAUSE_S)
    window.press('ctrl+c')
    say(_CONSOLE, 'echo "the same session, another host"')
    window.wait_for('the same session, another host', _STEP_S)
    time.sleep(_PAUSE_S)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
