# SPDX-License-Identifier: Apache-2.0
"""What a pair costs: tables, and what is aimed for. Pure."""

from collections.abc import Mapping, Sequence

from laboratory.tables import columns

#: What is aimed for. The code cache of an emulator counts.
_GUEST_MIB = 64
_PSS_MIB = {'kvm': 100, 'tcg': 160}
#: Of keeper and worker, when many pairs share what they are forked from.
_HOST_PSS_MIB = 9
_IDLE_PCT = {'kvm': 0.5, 'tcg': 2.0}
HEADINGS = {
    'pairs': 'pairs', 'domr_guest_mib': "Domain R's memory, MiB",
    'pair_pss_mib': 'PSS, MiB', 'host_pss_mib': 'of it processes, MiB',
    'hostd_pss_mib': 'host service, MiB', 'image_mib': 'image, MiB',
    'boot_to_console_s': 'to first byte, s',
    'idle_cpu_pct': 'idle, % of a core'}


def table(made: Sequence[Mapping[str, float]]) -> str:
    """For each number of pairs what one of them costs.

    :param made: footprints
    """
    return columns([HEADINGS.values(), *(
        [each[name] for name in HEADINGS] for each in made)])


def parts_table(heading: str, made: Sequence[Mapping[str, float]],
                parts: Sequence[Mapping[str, float]]) -> str:
    """What one of its figures consists of.

    :param parts: with each number of pairs, a part's name to its value
    """
    return columns([
        [heading, *(f'pairs: {each["pairs"]}' for each in made)],
        *([part, *(each[part] for each in parts)] for part in parts[0])],
        digits=1)


def aims(made: Sequence[Mapping[str, float]], accelerator: str) -> list[str]:
    """What was aimed for, and whether it is so with any number of pairs."""
    pss, idle = _PSS_MIB[accelerator], _IDLE_PCT[accelerator]
    return [f'{"met" if worst <= limit else "MISSED"}: {what} {worst:g} '
            f'{unit} at most, aim: at most {limit:g}'
            for what, name, unit, limit in (
                ("Domain R's memory", 'domr_guest_mib', 'MiB', _GUEST_MIB),
                ('PSS of a pair', 'pair_pss_mib', 'MiB', pss),
                ('PSS of keeper and worker, with most pairs',
                 'host_pss_mib', 'MiB', _HOST_PSS_MIB),
                ('CPU of a pair at idle', 'idle_cpu_pct', '% of a core', idle))
            for worst in [
                made[-1][name] if name == 'host_pss_mib' else
                max(each[name] for each in made)]]
