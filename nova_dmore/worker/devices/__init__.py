# SPDX-License-Identifier: Apache-2.0
"""Shadow devices: what talks to the console devices of an instance's QEMU."""
