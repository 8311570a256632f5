# SPDX-License-Identifier: Apache-2.0
"""Names of what both QEMUs of a pair and its keeper open.

nova-compute writes them into the XML of the domains; the keeper makes what
they name, and listens.
:mod:`nova_dmore.places` says in which directories they lie.
"""

#: In the keeper's own: requests from nova-compute.
CONTROL_SOCKET = 'control.sock'
#: There, too: gives the journal's memory to who connects, to be read.
JOURNAL_SOCKET = 'journal.sock'
#: Locked by the keeper for its life; that of release 0.2 writes its process
#: id into it.
KEEPER_LOCK = 'keeper.lock'
#: Locked by each worker for its life.
WORKER_LOCK = 'worker.lock'

#: In ``run_dir``: locked by the recorder for its life.
RECORDER_LOCK = 'recorder.lock'

#: In that of the instance's domain, and in that of Domain R's: QEMU connects
#: its monitor.
QMP_SOCKET = 'qmp.sock'
#: In that of the instance's: .in and .out, the FIFOs of its serial port.
SERIAL0_PIPE = 'serial0'
#: In that of Domain R's: QEMU connects its device.
IVSHMEM_SOCKET = 'ivshmem.sock'
#: There too, for one whose region is of LARGE_REGION_SIZE.
LARGE_IVSHMEM_SOCKET = 'ivshmem-large.sock'

#: In the keeper's own, of domains that were started by release 0.2 (their
#: FIFOs and ``ivshmem.sock`` lie there, too): the QEMUs listen, the one of
#: the display is VNC.
INSTANCE_QMP_SOCKET = 'instance.qmp'
DISPLAY_SOCKET = 'display.sock'
DOMAIN_R_QMP_SOCKET = 'domain_r.qmp'
#: And of an instance that was started by 0.1: QEMU connects its serial port.
SERIAL0_SOCKET = 'serial0.sock'
