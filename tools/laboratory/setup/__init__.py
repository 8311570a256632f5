# SPDX-License-Identifier: Apache-2.0
"""What must be there before a cloud or a test can run."""
