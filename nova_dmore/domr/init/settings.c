/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * The kernel's settings in /proc/sys.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "init.h"

struct setting {
	const char *name, *value;
};

/* What a program that was taken over would try next, and nobody here needs.
 * The last one stays so until the machine ends. */
static const struct setting kernel_settings[] = {
	{ "kernel/modprobe", "" },
	{ "kernel/core_pattern", "" },
	{ "kernel/sysrq", "0" },
	{ "kernel/dmesg_restrict", "1" },
	{ "kernel/kptr_restrict", "2" },
	{ "kernel/perf_event_paranoid", "3" },
	{ "kernel/unprivileged_bpf_disabled", "1" },
	{ "kernel/yama/ptrace_scope", "3" },
	{ "kernel/kexec_load_disabled", "1" },
	{ "user/max_user_namespaces", "0" },
	{ "kernel/modules_disabled", "1" },
};

/* Buffers are kept small (the machine is). Output that nobody acknowledges is
 * given up after about five minutes; for connections that are silent see
 * tcp.py. The agent listens on port 22 and is not root. */
static const struct setting network_settings[] = {
	{ "net/ipv4/tcp_wmem", "4096 16384 65536" },
	{ "net/ipv4/tcp_rmem", "4096 16384 65536" },
	{ "net/ipv4/tcp_retries2", "10" },
	{ "net/ipv4/ip_unprivileged_port_start", "0" },
	{ "net/ipv4/icmp_echo_ignore_broadcasts", "1" },
};

/* %s: "all", which for some settings is no more than another interface;
 * "default", for those to come; and each that exists. */
static const struct setting interface_settings[] = {
	/* First: a change of it would set others. */
	{ "net/ipv4/conf/%s/forwarding", "0" },
	{ "net/ipv4/conf/%s/accept_redirects", "0" },
	{ "net/ipv4/conf/%s/secure_redirects", "0" },
	{ "net/ipv4/conf/%s/send_redirects", "0" },
	{ "net/ipv4/conf/%s/accept_source_route", "0" },
	{ "net/ipv4/conf/%s/rp_filter", "1" },
	{ "net/ipv4/conf/%s/proxy_arp", "0" },
	/* One that was built anew on another host is silent otherwise, and
	 * switches send what is for it, and what would tell a client that its
	 * session has ended, to the old host for minutes. */
	{ "net/ipv4/conf/%s/arp_notify", "1" },
	{ "net/ipv6/conf/%s/accept_ra", "0" },
	{ "net/ipv6/conf/%s/accept_redirects", "0" },
	{ "net/ipv6/conf/%s/accept_source_route", "-1" },
	{ "net/ipv6/conf/%s/autoconf", "0" },
	{ "net/ipv6/conf/%s/router_solicitations", "0" },
	{ "net/ipv6/conf/%s/forwarding", "0" },
	{ "net/ipv6/conf/%s/proxy_ndp", "0" },
	{ "net/ipv6/conf/%s/ndisc_notify", "1" },
	/* No wait for duplicates before an IPv6 address can be used. */
	{ "net/ipv6/conf/%s/accept_dad", "0" },
	/* Until an IPv6 address is asked for. */
	{ "net/ipv6/conf/%s/disable_ipv6", "1" },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int each(const struct setting *settings, size_t count,
		const char *interface, setting_function set, void *data)
{
	char name[128];
	int result;

	for (size_t at = 0; at < count; at++) {
		const char *place = strstr(settings[at].name, "%s");
		int before = place ? (int)(place - settings[at].name) : 0;

		if (place && strlen(interface) >= IF_NAMESIZE)
			return -1;
		snprintf(name, sizeof(name), "%.*s%.16s%s", before,
			 settings[at].name, place ? interface : "",
			 place ? place + 2 : settings[at].name);
		result = set(name, settings[at].value, data);
		if (result)
			return result;
	}
	return 0;
}

int each_kernel_setting(setting_function set, void *data)
{
	return each(kernel_settings, COUNT(kernel_settings), "", set, data);
}

int each_network_setting(setting_function set, void *data)
{
	return each(network_settings, COUNT(network_settings), "", set,
		    data);
}

int each_interface_setting(const char *name, setting_function set, void *data)
{
	return each(interface_settings, COUNT(interface_settings), name, set,
		    data);
}

static int write_setting(const char *name, const char *value, void *data)
{
	struct failure *failure = data;
	char path[160], line[64];
	int file, size;
	ssize_t written = -1;

	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	size = snprintf(line, sizeof(line), "%s\n", value);
	file = open(path, O_WRONLY | O_CLOEXEC);
	if (file >= 0) {
		written = write(file, line, size);
		if (written != size)
			fail(failure, "%s: %s", path, strerror(errno));
		close(file);
	} else {
		fail(failure, "%s: %s", path, strerror(errno));
	}
	return written == size ? 0 : -1;
}

int write_kernel_settings(struct failure *failure)
{
	return each_kernel_setting(write_setting, failure);
}

int write_network_settings(struct failure *failure)
{
	DIR *directory;
	struct dirent *entry;
	int result;

	if (each_network_setting(write_setting, failure) ||
	    each_interface_setting("all", write_setting, failure) ||
	    each_interface_setting("default", write_setting, failure))
		return -1;
	directory = opendir("/sys/class/net");
	if (!directory)
		return fail(failure, "/sys/class/net: %s", strerror(errno));
	result = 0;
	while (!result && (entry = readdir(directory)))
		if (entry->d_name[0] != '.')
			result = each_interface_setting(
				entry->d_name, write_setting, failure);
	closedir(directory);
	return result;
}

int write_ipv6_setting(const char *interface, int on,
		       struct failure *failure)
{
	char name[128];

	snprintf(name, sizeof(name), "net/ipv6/conf/%s/disable_ipv6",
		 interface);
	return write_setting(name, on ? "0" : "1", failure);
}
