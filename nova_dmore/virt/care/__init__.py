# SPDX-License-Identifier: Apache-2.0
"""What is done for pairs without being asked, now and then."""
