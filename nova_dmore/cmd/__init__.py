# SPDX-License-Identifier: Apache-2.0
"""Commands for operators."""

import warnings

# Libraries of OpenStack import it wherever it is installed, and it says so on
# standard error, which is for what a command itself has to say.
warnings.filterwarnings('ignore', r'\s*Eventlet is deprecated')
