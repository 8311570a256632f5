# SPDX-License-Identifier: Apache-2.0
"""What the host's processes ask of the kernel; each of them uses it."""
