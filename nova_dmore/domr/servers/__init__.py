# SPDX-License-Identifier: Apache-2.0
"""The servers that clients of a console connect to."""
