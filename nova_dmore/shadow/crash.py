# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""Both processes of a pair are crash-only: none goes on half-changed."""

import logging
import os

LOG = logging.getLogger(__name__)


def end_process(loop, context):
    """Exception handler of an asyncio loop, which would log and go on.

    A worker's successor goes on from what is kept; nova-compute makes a pair
    anew whose keeper ends.
    """
    loop.default_exception_handler(context)
    LOG.critical('This was not expected: the process ends')
    logging.shutdown()
    os._exit(1)
