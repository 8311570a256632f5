/*
 * In the place of the VNC program: says what it is and what it may do, in one
 * message on the channel, and stays until the channel ends.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static char report[4096];

static void say(const char *name, long result)
{
	size_t used = strlen(report);

	snprintf(report + used, sizeof(report) - used, "%s %s\n", name,
		 result < 0 ? strerrorname_np(errno) : "done");
}

int main(int argc, char **argv, char **environment)
{
	DIR *directory = opendir("/proc/self/fd");
	struct dirent *entry;
	char line[256];
	FILE *status = fopen("/proc/self/status", "re");
	void *page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, 4, 4096);

	(void)argv;
	strcat(report, "fds");
	while ((entry = readdir(directory)))
		if (entry->d_name[0] != '.' &&
		    atoi(entry->d_name) != dirfd(directory) &&
		    atoi(entry->d_name) != fileno(status)) {
			strcat(report, " ");
			strcat(report, entry->d_name);
		}
	strcat(report, "\n");
	if (argc == 1 && !environment[0])
		strcat(report, "bare done\n");
	while (fgets(line, sizeof(line), status))
		if (!strncmp(line, "Uid", 3) || !strncmp(line, "Cap", 3) ||
		    !strncmp(line, "Seccomp:", 8))
			strcat(report, line);
	say("device_read", page == MAP_FAILED ? -1 : 0);
	say("device_writable", mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				    MAP_SHARED, 4, 4096) == MAP_FAILED ?
	    -1 : 0);
	say("device_made_writable", mprotect(page, 4096,
					     PROT_READ | PROT_WRITE));
	say("open_device", open("/dev/uio0", O_RDWR));
	say("socket", socket(AF_INET, SOCK_STREAM, 0));
	say("packet", socket(AF_PACKET, SOCK_RAW, 0));
	say("connect", syscall(SYS_connect, 3, NULL, 0));
	say("fork", syscall(SYS_fork));
	say("module", syscall(SYS_init_module, report, 1, ""));
	say("unshare", syscall(SYS_unshare, 0x10000000));
	say("setuid", syscall(SYS_setuid, 0));
	say("ptrace", syscall(SYS_ptrace, 16, 1, 0, 0));
	say("bpf", syscall(SYS_bpf, 0, NULL, 0));
	say("io_uring", syscall(SYS_io_uring_setup, 1, NULL));
	say("signal", syscall(SYS_kill, 1, 0));
	say("limits", syscall(SYS_prlimit64, 0, RLIMIT_NOFILE,
			      &(struct rlimit){ 9, 9 }, NULL));
	say("code", mmap(NULL, 4096, PROT_WRITE | PROT_EXEC,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ?
	    -1 : 0);
	send(3, report, strlen(report), 0);
	while (recv(3, line, sizeof(line), 0) > 0)
		;
	return 0;
}
