# SPDX-License-Identifier: Apache-2.0
"""``nova-dmore-exporter``: metrics of this host, in a file for Prometheus.

To be run as nova-compute's user. See :mod:`nova_dmore.metrics.exporter`.
"""

import argparse
import contextlib
import sys
import threading
import time
from collections.abc import Sequence

from nova_dmore.client import host_service
from nova_dmore.cmd import settings
from nova_dmore import exception
from nova_dmore.metrics import figures

_PROGRAM = 'nova-dmore-exporter'


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM, description='Writes the metrics of this host to a '
        'file, for the textfile collector of Prometheus\' node_exporter.')
    parser.add_argument(
        '--config-file', action='append', metavar='FILE',
        help='of nova-compute, may be repeated (default: nova.conf and '
        'nova-compute.conf where Nova finds them)')
    parser.add_argument(
        '--output', required=True, type=_prom, metavar='FILE',
        help='its name must end in .prom, and its directory is the '
        'collector\'s')
    parser.add_argument(
        '--interval', type=_seconds, default=15.0, metavar='SECONDS',
        help='between two of them (default: 15); 0: write it once')
    return parser


def _prom(path: str) -> str:
    """A file that the collector reads: it passes over all others."""
    if not path.endswith('.prom'):
        raise argparse.ArgumentTypeError(
            f'the name of {path!a} does not end in .prom')
    return path


def _seconds(text: str) -> float:
    """A time that one can sleep."""
    seconds = float(text)
    if not 0 <= seconds <= threading.TIMEOUT_MAX:
        raise argparse.ArgumentTypeError(f'{text!a} is no number of seconds')
    return seconds


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the command; returns its exit status."""
    arguments = _parser().parse_args(argv)
    try:
        from nova_dmore.metrics import exporter
    except ImportError as error:
        print(f'{_PROGRAM}: {error}: install prometheus_client, or '
              'nova-dmore[metrics]', file=sys.stderr)
        return 1
    try:
        options = settings.dmore(arguments.config_file)
        with contextlib.closing(exporter.Exporter(
                host_service.HostService(options.run_dir),
                figures.path_in(options.record_dir))) as this:
            this.write(arguments.output)
            while arguments.interval:
                time.sleep(arguments.interval)
                this.write(arguments.output)
        return 0
    except exception.DMoreError as error:
        print(f'{_PROGRAM}: {error}', file=sys.stderr)
        return 1
    except OSError as error:
        print(f'{_PROGRAM}: --output: {arguments.output} cannot be written '
              f'({error.strerror}); its directory has to be there, and '
              'this user has to be able to write it', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


if __name__ == '__main__':
    sys.exit(main())
