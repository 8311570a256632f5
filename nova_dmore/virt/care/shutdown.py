# SPDX-License-Identifier: Apache-2.0
"""Whether this host is being shut down.

libvirt-guests and systemd then end the instances and the Domain Rs, one after
the other and in any order: nothing of that is to be mended. Called by
:mod:`nova_dmore.virt.care.pair_care` and
:mod:`nova_dmore.virt.care.late_pairs` before they start anything, in threads
in which they may wait.
"""

import subprocess

#: systemd answers at once, or not at all.
_ANSWER_S = 5.0


def is_under_way() -> bool:
    """Whether systemd ends the services of this host.

    False where it cannot be asked, as in a container: who starts a process
    there in vain does no harm.
    """
    try:
        asked = subprocess.run(
            ['systemctl', 'is-system-running'], stdin=subprocess.DEVNULL,
            capture_output=True, timeout=_ANSWER_S)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.stdout.strip() == b'stopping'
