/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * What the files of init share. A function that can fail returns 0, or -1 and
 * a text in its ``struct failure``.
 */
#ifndef NOVA_DMORE_INIT_H
#define NOVA_DMORE_INIT_H

#include <stddef.h>
#include "protocol.h"

struct failure {
	char text[ANSWER_TEXT_MAX];
};

/* Write the text, and return -1. */
int fail(struct failure *failure, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* -- request.c: the only input that init reads; nothing else is believed */

/* Bytes of an address of this family. */
size_t ip_size(int family);
int check_network_request(const void *message, size_t size,
			  struct failure *failure);

/* -- settings.c */

typedef int (*setting_function)(const char *name, const char *value,
				void *data);

/* Calls the function with each setting in /proc/sys until it returns other
 * than 0, and returns that. */
int each_kernel_setting(setting_function set, void *data);
int each_network_setting(setting_function set, void *data);
/* ``name``: of an interface, or "all" or "default". */
int each_interface_setting(const char *name, setting_function set,
			   void *data);

int write_kernel_settings(struct failure *failure);
/* For all interfaces that exist, and those to come; no IPv6 yet. */
int write_network_settings(struct failure *failure);
int write_ipv6_setting(const char *interface, int on,
		       struct failure *failure);

/* -- filter.c */

struct nftnl_rule;
#define RULES_MAX (2 * ALLOWED_MAX + 64)
#define FILTER_TABLE "domain_r"

/* The rules for a request, NULL: none, as nothing is let in or out then.
 * Returns how many, -1 without memory. The caller frees each of them. */
int filter_rules(const struct network_request *request,
		 struct nftnl_rule *rules[RULES_MAX]);
/* Put these rules in the place of those of before, all at once. */
int load_filter(const struct network_request *request,
		struct failure *failure);

/* -- network.c */

int bring_loopback_up(struct failure *failure);
int set_up_network(const struct network_request *request,
		   struct failure *failure);

/* -- confine.c */

/* Who runs a program, and what it may do. */
struct role {
	const char *user;	/* for messages */
	unsigned int id;	/* of the user and its group */
	int (*allow)(void *filter);	/* adds rules of seccomp */
	unsigned int file_size_max;	/* in bytes: files without a name */
	unsigned int files_max;
	unsigned int processes_max;
	const char *oom_score;	/* NULL: as it is */
};

extern const struct role agent_role, vnc_role;

/* Init itself: another user, and few capabilities. */
int leave_root(struct failure *failure);
/* In a child of init that is to become another program. */
int confine(const struct role *role, struct failure *failure);

/* -- syscalls.c: what agent_role and vnc_role may call */
int allow_agent(void *filter);
int allow_vnc(void *filter);

#endif
