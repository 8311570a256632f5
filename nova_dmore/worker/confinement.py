# SPDX-License-Identifier: Apache-2.0
"""What a worker may do, once it holds all that it needs.

It reads what a guest, its QEMU and a Domain R wrote. Whoever makes it run code
of his own has its descriptors, which are its pair's, and nothing else.
"""

import fcntl
import mmap
import resource

from nova_dmore.posix import confinement
from nova_dmore.posix import locks
from nova_dmore.posix import seccomp

#: How much more memory, in bytes, than when it is confined: the region and
#: the journal are mapped afterwards.
MEMORY_MAX = 128 << 20
#: Its pair's, and one for each connection of nova-compute.
DESCRIPTORS_MAX = 256

#: The bits of a descriptor's number. That of the lock has all of them, and no
#: other has: whoever closes it, or a copy of it, loses the lock. It cannot
#: come back under another number either: none is given away (sendmsg(2)).
_BITS = [1 << place for place in range(locks.WORKER_DESCRIPTOR.bit_length())]
assert sum(_BITS) == locks.WORKER_DESCRIPTOR == DESCRIPTORS_MAX - 1

ALLOWED = (*confinement.COMMON, seccomp.Call('readv'),
           confinement.mapping(mmap.MAP_SHARED),
           # Pixels that nobody needs any more.
           *confinement.each('madvise', 2, (mmap.MADV_REMOVE,)),
           *(seccomp.Call('close', (seccomp.masked(0, bit, 0),))
             for bit in _BITS),
           seccomp.Call('fcntl', (seccomp.masked(0, _BITS[-1], 0),
                                  seccomp.equals(1, fcntl.F_DUPFD_CLOEXEC))))
FATAL = (*confinement.FATAL, 'pidfd_send_signal', 'accept', 'accept4')

_FILTER = seccomp.Filter(ALLOWED, FATAL)


def confine() -> None:
    """Give up all that a worker does not need, for good.

    Called once it is the user that it stays.

    :raises seccomp.Unavailable: this host cannot; nothing may go on then.
    """
    confinement.confine(
        _FILTER, {resource.RLIMIT_NOFILE: DESCRIPTORS_MAX}, MEMORY_MAX)
