# SPDX-License-Identifier: Apache-2.0
"""``tools/bench``: the command line."""

import argparse
import pathlib
import re

from laboratory import launch


def main(arguments: list[str] | None = None) -> int:
    """Set up what is needed, and become what measures.

    :returns: the exit status, if that cannot be
    """
    return launch.command('bench', parser(), arguments)


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    made = argparse.ArgumentParser(
        prog='bench', description='Measure what Domain R gives and costs, '
        'against the stock console in the same run.')
    commands = made.add_subparsers(required=True, dest='command',
                                   metavar='COMMAND')
    console = commands.add_parser(
        'console', help="the graphical console against QEMU's own, at the "
        'same instance: latency, updates, CPU, wire')
    console.add_argument('--runs', type=launch.positive, default=3,
                         metavar='N', help='of each measurement; their '
                         'median counts (default: %(default)s)')
    footprint = commands.add_parser(
        'footprint', help='what pairs cost that nobody uses: memory, disk, '
        'CPU; and how long one takes to boot')
    footprint.add_argument('--pairs', type=launch.positive, nargs='+',
                           default=[1, 5, 20], metavar='N',
                           help='how many on the machine, ever more '
                           '(default: 1 5 20)')
    footprint.add_argument('--ksm', action='store_true',
                           help='have the kernel merge equal pages, and leave '
                           'that as it was')
    migration = commands.add_parser(
        'migration', help='a live migration with the stock consoles, with a '
        'pair whose machines move side by side, and with one that moves in '
        'step')
    migration.add_argument('--runs', type=launch.positive, metavar='N',
                           help='of each circumstance (default: 5; with '
                           '--quick: 2)')
    migration.add_argument('--quick', action='store_true',
                           help='only some circumstances, in 25 minutes')
    migration.add_argument('--only', type=_pattern, default='',
                           metavar='REGEX', help='circumstances that match, '
                           'as "512 MiB, idle, ssh, a key per 50 ms" or '
                           '"2048 MiB, dirty, no input"')
    migration.add_argument('--plots', type=pathlib.Path, metavar='DIR',
                           help='draw the figures as PNG files')
    migration.add_argument('--keep', action='store_true',
                           help='leave the cloud up; a later run uses it')
    operations = commands.add_parser(
        'operations', help='server create, live migration and delete, with '
        'the stock consoles and with Domain R')
    operations.add_argument('--runs', type=launch.positive, default=20,
                            metavar='N', help='of each; their median counts '
                            '(default: %(default)s)')
    operations.add_argument('--keep', action='store_true',
                            help='leave the cloud up; a later run uses it')
    for command in (console, footprint, migration, operations):
        command.add_argument('--json', type=pathlib.Path, metavar='FILE',
                             help='write the figures to a file')
    for command in (console, footprint):
        command.add_argument('--accel', choices=('tcg', 'kvm'), default='tcg',
                             help="QEMU's accelerator (default: %(default)s)")
        # What is not measured in a cloud is in a network of its own.
        command.set_defaults(around=['unshare', '--net', '--'])
    return made


def _pattern(text: str) -> re.Pattern:
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f'{text}: {error}') from error
