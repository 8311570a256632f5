# SPDX-License-Identifier: Apache-2.0
"""The shadow device of the instance's display."""
