# SPDX-License-Identifier: Apache-2.0
"""What a serial console prints, as a client's terminal understands it."""
