/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An instance: the gateway of one external interface in one network namespace, and where it keeps its things.
 *
 * The bpffs has to outlive `ip netns exec`, which gives each command a mount namespace of its own that vanishes with it.
 * So it is mounted where the outermost process in reach sees it (process 1, or where that may not be looked at, the
 * farthest ancestor that may), and from there brought into the mount namespace of the caller, if it has not come
 * there by propagation. Both are done by a thread: only the thread changes its mount namespace, and whatever it opens
 * there belongs to the whole process.
 */
#include "instance.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* "/proc/4294967295/root" BPF_DIR, and shorter ones. */
#define PROC_PATH 64

/* ---- the bpffs ------------------------------------------------------------------------------------------------- */

static pid_t read_parent(pid_t pid)
{
	char path[PROC_PATH], text[512];
	const char *end;
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[len > 0 ? len : 0] = '\0';
	/* "PID (NAME) S PARENT ..", and a name may have anything in it */
	end = strrchr(text, ')');
	return end && strlen(end) > 4 ? atoi(end + 4) : 0;
}

/* A descriptor of the mount namespace of a process, or -1. */
static int open_mounts(pid_t pid)
{
	char path[PROC_PATH];

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static bool can_reach(pid_t pid)
{
	int fd = open_mounts(pid);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Process 1, or the farthest ancestor that can be reached instead; 0 if none can. */
static pid_t find_outermost(void)
{
	pid_t outermost = 0;

	if (can_reach(1))
		return 1;
	for (pid_t pid = getppid(); pid > 1; pid = read_parent(pid))
		if (can_reach(pid))
			outermost = pid;
	return outermost;
}

static bool is_bpffs(const char *path, dev_t *ret_dev)
{
	struct statfs fs;
	struct stat st;

	if (statfs(path, &fs) || (__u32)fs.f_type != BPF_FS_MAGIC || stat(path, &st))
		return false;
	*ret_dev = st.st_dev;
	return true;
}

/* Where the bpffs is, compared with where it should be. */
enum sight {
	SIGHT_NONE,  /* nobody has one */
	SIGHT_THERE, /* the outermost process sees one that we do not see */
	SIGHT_HERE,  /* we see what the outermost process sees, or have one where it has none */
};

static enum sight look_around(pid_t outermost)
{
	dev_t ours = 0, theirs = 0;
	char path[PROC_PATH];
	bool we, they;

	snprintf(path, sizeof(path), "/proc/%d/root" BPF_DIR, outermost);
	we = is_bpffs(BPF_DIR, &ours);
	they = outermost && is_bpffs(path, &theirs);
	if (we && (!they || ours == theirs))
		return SIGHT_HERE;
	return they ? SIGHT_THERE : SIGHT_NONE;
}

static int make_dirs(void)
{
	if (mkdir(RUN_DIR, 0755) && errno != EEXIST)
		return -errno;
	if (mkdir(BPF_DIR, 0700) && errno != EEXIST)
		return -errno;
	return 0;
}

/* Mounts in the mount namespace of the calling thread, unless that is done. */
static int mount_here(void)
{
	int error = make_dirs();
	dev_t dev;

	if (error || is_bpffs(BPF_DIR, &dev))
		return error;
	return mount("bpf", BPF_DIR, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") ? -errno : 0;
}

/* Thread: mounts in that mount namespace and returns a descriptor of a copy of the mount, or -errno. */
static void *mount_there(void *mounts)
{
	int result;

	/* A thread may go to another mount namespace once it shares root and working directory with nobody. */
	if (unshare(CLONE_FS) || setns((intptr_t)mounts, CLONE_NEWNS))
		return (void *)(intptr_t)-errno;
	result = mount_here();
	if (result)
		return (void *)(intptr_t)result;
	result = open_tree(AT_FDCWD, BPF_DIR, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	return (void *)(intptr_t)(result < 0 ? -errno : result);
}

/* Mounts where the outermost process sees it: a descriptor of a copy of that mount, or -errno. */
static int mount_outermost(pid_t outermost)
{
	int mounts = open_mounts(outermost);
	pthread_t thread;
	void *result;
	int error;

	if (mounts < 0)
		return -errno;
	error = pthread_create(&thread, NULL, mount_there, (void *)(intptr_t)mounts);
	if (!error)
		pthread_join(thread, &result);
	close(mounts);
	return error ? -error : (intptr_t)result;
}

int instance_mount(struct fault *fault)
{
	pid_t outermost = find_outermost();
	enum sight sight = look_around(outermost);
	int error, tree;

	if (sight == SIGHT_HERE)
		return 0;
	error = make_dirs();
	if (error)
		return fault_set_errno(fault, -error, "cannot make " BPF_DIR);
	tree = outermost ? mount_outermost(outermost) : -EPERM;
	if (tree < 0) {
		/* Nobody is in reach: then a mount of our own has to do. */
		error = mount_here();
	} else {
		if (look_around(outermost) != SIGHT_HERE &&
		    move_mount(tree, "", AT_FDCWD, BPF_DIR, MOVE_MOUNT_F_EMPTY_PATH))
			error = -errno;
		close(tree);
	}
	return error ? fault_set_errno(fault, -error, "cannot mount a bpffs at " BPF_DIR) : 0;
}

/* ---- names ----------------------------------------------------------------------------------------------------- */

static int read_cookie(__u64 *ret_cookie, struct fault *fault)
{
	socklen_t len = sizeof(*ret_cookie);
	int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int error = 0;

	if (sock < 0 || getsockopt(sock, SOL_SOCKET, SO_NETNS_COOKIE, ret_cookie, &len))
		error = errno;
	if (sock >= 0)
		close(sock);
	return error ? fault_set_errno(fault, error, "cannot tell which network namespace this is") : 0;
}

/* What a bpffs takes as a name: '.' is reserved there. Room for three times IF_NAMESIZE. */
static void escape(const char *iface, char *text)
{
	for (; *iface; iface++) {
		if (*iface == '.' || *iface == '%')
			text += sprintf(text, "%%%02x", *iface);
		else
			*text++ = *iface;
	}
	*text = '\0';
}

static bool unescape(const char *text, char iface[IF_NAMESIZE])
{
	size_t len = 0;

	while (*text && len < IF_NAMESIZE - 1) {
		unsigned int byte = (unsigned char)*text++;

		if (byte == '%') {
			if (sscanf(text, "%2x", &byte) != 1)
				return false;
			text += 2;
		}
		iface[len++] = byte;
	}
	iface[len] = '\0';
	return !*text && len;
}

static void name_paths(struct instance *instance)
{
	char name[3 * IF_NAMESIZE];

	escape(instance->iface, name);
	snprintf(instance->pins, INSTANCE_PATH, BPF_DIR "/%llu-%s", instance->cookie, name);
	snprintf(instance->lock, INSTANCE_PATH, RUN_DIR "/%llu-%s.lock", instance->cookie, name);
	snprintf(instance->socket, INSTANCE_PATH, RUN_DIR "/%llu-%s.sock", instance->cookie, name);
}

int instance_check_iface(const char *iface, struct fault *fault)
{
	if (*iface && strlen(iface) < IF_NAMESIZE && !strpbrk(iface, "/: \t\n") && strcmp(iface, ".") != 0 &&
	    strcmp(iface, "..") != 0)
		return 0;
	return fault_set(fault, EINVAL,
			 "\"%s\" cannot be the name of an interface: 1 to %d characters are, without blanks, ':' and "
			 "'/'",
			 iface, IF_NAMESIZE - 1);
}

int instance_name(const char *iface, struct instance *ret_instance, struct fault *fault)
{
	struct instance instance = {};
	int error = instance_check_iface(iface, fault);

	if (error)
		return error;
	strcpy(instance.iface, iface);
	error = read_cookie(&instance.cookie, fault);
	if (error)
		return error;
	name_paths(&instance);
	*ret_instance = instance;
	return 0;
}

char *instance_pin(const struct instance *instance, const char *name, char *path)
{
	snprintf(path, PIN_PATH, "%s/%s", instance->pins, name);
	return path;
}

/* ---- which there are ------------------------------------------------------------------------------------------- */

/* The directory of the pins, or NULL with errno; ENOENT when there is no bpffs of ours at all. */
static DIR *open_pins(struct fault *fault)
{
	/* What others have, but this mount namespace has not, is brought here. */
	if (look_around(find_outermost()) == SIGHT_THERE) {
		int error = instance_mount(fault);

		if (error) {
			errno = -error;
			return NULL;
		}
	}
	return opendir(BPF_DIR);
}

/* Of the directory entry `name`, if it is one of this network namespace, or, with `foreign`, of another. */
static bool read_name(const char *name, __u64 cookie, bool foreign, struct instance *ret_instance)
{
	struct instance instance = {};
	char *end;

	if (*name < '0' || *name > '9')
		return false;
	instance.cookie = strtoull(name, &end, 10);
	if (*end != '-' || (instance.cookie != cookie) != foreign || !unescape(end + 1, instance.iface))
		return false;
	name_paths(&instance);
	*ret_instance = instance;
	return true;
}

static int list(bool foreign, struct instance **ret_instances, struct fault *fault)
{
	struct instance *instances = NULL, *more, instance;
	struct dirent *entry;
	int num = 0, error;
	__u64 cookie = 0;
	DIR *dir;

	error = read_cookie(&cookie, fault);
	if (error)
		return error;
	dir = open_pins(fault);
	if (!dir && errno == ENOENT) {
		*ret_instances = NULL;
		return 0;
	}
	if (!dir && errno == EACCES)
		return fault_set(fault, EACCES, "cannot look into " BPF_DIR ": only root can");
	if (!dir)
		return fault_set_errno(fault, errno, "cannot look into " BPF_DIR);
	while ((entry = readdir(dir))) {
		if (!read_name(entry->d_name, cookie, foreign, &instance))
			continue;
		more = reallocarray(instances, num + 1, sizeof(*instances));
		if (!more) {
			free(instances);
			closedir(dir);
			return fault_set_errno(fault, ENOMEM, "cannot list the instances");
		}
		instances = more;
		instances[num++] = instance;
	}
	closedir(dir);
	*ret_instances = instances;
	return num;
}

int instance_list(struct instance **ret_instances, struct fault *fault)
{
	return list(false, ret_instances, fault);
}

int instance_list_foreign(struct instance **ret_instances, struct fault *fault)
{
	return list(true, ret_instances, fault);
}

static int several(const struct instance *instances, int num, struct fault *fault)
{
	char names[256] = "";
	size_t len = 0;

	for (int i = 0; i < num && len < sizeof(names); i++)
		len += snprintf(names + len, sizeof(names) - len, "%s%s", i ? ", " : "", instances[i].iface);
	return fault_set(fault, EINVAL, "there are %d instances in this network namespace; choose one with -e: %s", num,
			 names);
}

/* Of those there are, which are none where `instances` is NULL. */
static int choose(const struct instance *instances, int num, const char *iface, struct instance *ret_instance,
		  struct fault *fault)
{
	if (!iface && !instances)
		return fault_set(fault, ENOENT,
				 "no instance in this network namespace; start one with bauta run -e INTERFACE");
	if (!iface && num > 1)
		return several(instances, num, fault);
	for (int i = 0; instances && i < num; i++)
		if (!iface || strcmp(instances[i].iface, iface) == 0) {
			*ret_instance = instances[i];
			return 0;
		}
	return fault_set(fault, ENOENT, "no instance on %s in this network namespace; start one with bauta run -e %s",
			 iface, iface);
}

int instance_find(const char *iface, struct instance *ret_instance, struct fault *fault)
{
	struct instance *instances = NULL;
	int num = instance_list(&instances, fault);
	int error;

	if (num < 0)
		return num;
	error = choose(instances, num, iface, ret_instance, fault);
	free(instances);
	return error;
}

/* ---- whose it is ----------------------------------------------------------------------------------------------- */

/* Opens and locks the file: a descriptor, or -errno. */
static int lock_file(const char *path)
{
	struct stat opened, named;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int error;

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) || fstat(fd, &opened)) {
		error = -errno;
		close(fd);
		return error;
	}
	if (stat(path, &named) || opened.st_ino != named.st_ino) {
		/* its last holder has just removed it: the name may be another file's by now */
		close(fd);
		return -EAGAIN;
	}
	return fd;
}

int instance_lock(const struct instance *instance, struct fault *fault)
{
	int fd, pid;

	do {
		fd = lock_file(instance->lock);
		pid = fd == -EAGAIN ? instance_daemon(instance) : 0;
	} while (fd == -EAGAIN && !pid);
	if (pid > 0)
		return fault_set(fault, EBUSY, "%s is served by another bauta already (process %d)", instance->iface,
				 pid);
	if (fd == -EAGAIN)
		return fault_set(fault, EBUSY, "%s is served by another bauta already", instance->iface);
	if (fd < 0)
		return fault_set_errno(fault, -fd, "cannot lock %s", instance->lock);
	if (ftruncate(fd, 0) || dprintf(fd, "%d\n", getpid()) < 0) {
		int error = errno;

		close(fd);
		return fault_set_errno(fault, error, "cannot write to %s", instance->lock);
	}
	return fd;
}

int instance_daemon(const struct instance *instance)
{
	int fd = open(instance->lock, O_RDONLY | O_CLOEXEC);
	char text[16] = "";
	int result = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (flock(fd, LOCK_SH | LOCK_NB)) {
		if (errno == EWOULDBLOCK)
			result = read(fd, text, sizeof(text) - 1) > 0 ? atoi(text) : -EAGAIN;
		else
			result = -errno;
	}
	close(fd);
	return result;
}

/* ---- the end --------------------------------------------------------------------------------------------------- */

static int remove_pins(DIR *dir, const struct instance *instance, struct fault *fault)
{
	struct dirent *entry;
	int error = 0;

	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' && unlinkat(dirfd(dir), entry->d_name, 0))
			error = fault_set_errno(fault, errno, "cannot remove %s/%s", instance->pins, entry->d_name);
	closedir(dir);
	if (!error && rmdir(instance->pins) && errno != ENOENT)
		error = fault_set_errno(fault, errno, "cannot remove %s", instance->pins);
	return error;
}

int instance_remove(const struct instance *instance, struct fault *fault)
{
	DIR *dir = opendir(instance->pins);
	int error = 0;

	if (!dir && errno != ENOENT)
		error = fault_set_errno(fault, errno, "cannot look into %s", instance->pins);
	if (dir)
		error = remove_pins(dir, instance, fault);
	if (unlink(instance->socket) && errno != ENOENT)
		error = fault_set_errno(fault, errno, "cannot remove %s", instance->socket);
	/* last: from here on another process may take the instance */
	if (unlink(instance->lock) && errno != ENOENT)
		error = fault_set_errno(fault, errno, "cannot remove %s", instance->lock);
	return error;
}
