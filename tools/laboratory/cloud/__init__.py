# SPDX-License-Identifier: Apache-2.0
"""The cloud that something is measured or tested in, seen from outside."""
