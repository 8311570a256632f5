# SPDX-License-Identifier: Apache-2.0
"""Names of what nova-compute, both QEMUs and the keeper open."""

#: Files of a pair, in ``[dmore] run_dir/<instance uuid>/``.
CONTROL_SOCKET = 'control.sock'     # requests from nova-compute
IVSHMEM_SOCKET = 'ivshmem.sock'     # Domain R's QEMU connects
SERIAL0_PIPE = 'serial0'            # .in and .out: FIFOs of its serial port
SERIAL0_SOCKET = 'serial0.sock'     # that of an instance started by 0.1
INSTANCE_QMP_SOCKET = 'instance.qmp'    # the instance's QEMU listens
DISPLAY_SOCKET = 'display.sock'     # VNC; the instance's QEMU listens
DOMAIN_R_QMP_SOCKET = 'domain_r.qmp'    # Domain R's QEMU listens
#: Beside them: held locked by the keeper for its life; has its process id.
KEEPER_LOCK = 'keeper.lock'
