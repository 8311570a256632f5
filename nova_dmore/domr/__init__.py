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
"""What runs in Domain R, and (in ``image``) what builds its image.

Domain R has Debian's Python and asyncssh and nothing of OpenStack: nothing
here but ``image`` may import more than the standard library, asyncssh,
``nova_dmore.wire`` and ``nova_dmore.channel``.
"""
