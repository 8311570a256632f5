/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may
 * not use this file except in compliance with the License. You may obtain
 * a copy of the License at
 *
 *      http://www.apache.org/licenses/LICENSE-2.0
 *
 * Unless required by applicable law or agreed to in writing, software
 * distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
 * WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
 * License for the specific language governing permissions and limitations
 * under the License.
 *
 * What the process may still ask of the kernel once it serves.
 */
#ifndef FILTER_H
#define FILTER_H

/* No new privileges, and no system calls but those that are needed, for all
 * threads from now on; another one ends the process. NULL, or why not. */
const char *filter_system_calls(void);

#endif
