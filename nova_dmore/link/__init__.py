# SPDX-License-Identifier: Apache-2.0
"""What keeper and worker say to each other, and leave to the next."""
