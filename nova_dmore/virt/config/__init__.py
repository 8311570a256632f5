# SPDX-License-Identifier: Apache-2.0
"""What Domain R is told, and the secrets in it."""
