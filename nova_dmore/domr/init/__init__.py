# SPDX-License-Identifier: Apache-2.0
"""Process 1 of Domain R, in C, and how it is built."""
