/*
 * start.c: START. fork clones the server, and exec replaces the clone's memory image by a
 * program.
 */
#include "server.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int null_device; /* of /dev/null: what children read from and write to */

/* Opens /dev/null, and sees to it that no descriptor that the server was started with
 * comes into the hands of its children. */
void prepare_for_children(void)
{
    do /* until 0, 1 and 2 are taken: whoever started us may have closed them */
        null_device = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (0 <= null_device && null_device <= STDERR_FILENO);
    if (null_device < 0)
        cannot_start("open /dev/null: %s", errno_text(errno).s);

    DIR *open_ones = opendir("/proc/self/fd");
    if (open_ones == NULL)
        cannot_start("opendir /proc/self/fd: %s", errno_text(errno).s);
    for (struct dirent *entry; (entry = readdir(open_ones)) != NULL;) {
        int fd = atoi(entry->d_name); /* the kernel's digits; . and .. are 0 */
        if (fd > STDERR_FILENO)
            fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
    closedir(open_ones);
}

/* Returns 0, or the errno with which exec would fail for a path, as far as the directory
 * tells. For a directory that is EISDIR, which says more than exec's EACCES. */
static int executable(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return errno;
    if (S_ISDIR(st.st_mode))
        return EISDIR;
    return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? errno : 0;
}

/* Looks for a name in each directory of PATH. Returns 0 and the path, or an errno: that
 * of one that was found and cannot be run, else ENOENT. */
static int look_in_path(const char *name, char path[PATH_MAX])
{
    const char *dir = getenv("PATH");
    if (dir == NULL)
        dir = "/bin:/usr/bin"; /* as execvp does */
    int found = ENOENT;
    for (;;) {
        int length = (int)strcspn(dir, ":"); /* 0: the current directory */
        int size = snprintf(path, PATH_MAX, "%.*s%s%s", length, dir,
                            length > 0 ? "/" : "", name);
        int error = size < PATH_MAX ? executable(path) : ENAMETOOLONG;
        if (error == 0)
            return 0;
        if (error == EACCES || error == EISDIR) /* go on looking, but remember */
            found = error;
        if (dir[length] == '\0')
            return found;
        dir += length + 1;
    }
}

/* Finds a program as execvp does (exec(3)), and before fork: there is little that the
 * clone may call. execvp itself would have /bin/sh read a file of no valid format, and
 * there is to be no shell. Returns the path, or NULL and sets errno. */
static const char *find_program(const char *name, char found[PATH_MAX])
{
    const char *path = strchr(name, '/') != NULL ? name : found;
    int error = path == name ? executable(path) : look_in_path(name, found);
    if (error == 0)
        return path;
    errno = error;
    return NULL;
}

/*
 * Turns the clone into the program: it leads a process group of its own; its descriptors
 * are 0 and 2 on /dev/null and 1 on out, and no other: all of ours are close-on-exec.
 *
 * Of a process with threads, fork clones only the one that calls it. Another may have
 * held a lock, malloc's for one, which nobody will ever release in the clone. So up to
 * exec it calls only what is async-signal-safe (signal-safety(7)).
 */
static _Noreturn void become(const char *path, char *argv[], int out, int report)
{
    setpgid(0, 0);

    /* What is ignored stays ignored by exec: SIGPIPE by us, perhaps SIGHUP by nohup. What
     * we block stays blocked by it. */
    const struct sigaction by_default = {.sa_handler = SIG_DFL};
    for (int sig = 1; sig < NSIG; sig++)
        sigaction(sig, &by_default, NULL); /* EINVAL: SIGKILL, SIGSTOP, glibc's own */
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);

    dup2(null_device, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(null_device, STDERR_FILENO);
    execv(path, argv);

    int error = errno; /* exec returns only if it failed */
    while (write(report, &error, sizeof error) < 0 && errno == EINTR)
        ;
    _exit(127); /* not exit: what the server's stdio holds is not the clone's to write */
}

/* Waits until exec has closed the pipe, and returns 0, or until the clone has sent exec's
 * error over it, and returns that. (A clone that is killed before exec closes it too: the
 * program never ran, and nobody but wait can tell.) */
static int exec_error(int report)
{
    int error;
    ssize_t n;
    do
        n = read(report, &error, sizeof error);
    while (n < 0 && errno == EINTR);
    return n == sizeof error ? error : 0;
}

/* Returns a child whose exec has succeeded, or NULL: then errno says why, and *call names
 * the call that failed. exec's error comes over a pipe that exec itself would close. */
static struct child *fork_and_exec(const char *path, char *argv[], int out,
                                   const char **call)
{
    int report[2]; /* read from the first what is written to the second */
    *call = "pipe";
    if (pipe2(report, O_CLOEXEC) < 0)
        return NULL;

    struct child *child;
    *call = "fork";
    pid_t pid = fork_child(argv, &child);
    if (pid == 0)
        become(path, argv, out, report[1]);
    int error = pid < 0 ? errno : 0;

    close(report[1]); /* our copy of the write end: the child's is closed by exec */
    if (pid > 0) {
        *call = "exec";
        error = exec_error(report[0]);
        if (error != 0)
            await_child(child); /* which ends at once: no zombie is left */
    }
    close(report[0]); /* the read end: all has been read */
    errno = error;
    return error == 0 ? child : NULL;
}

/* Runs a program with its standard output on out. The caller owes the child an
 * await_child or a forget_child. NULL: the reply says why not. */
struct child *spawn(char *argv[], int out, struct reply *reply)
{
    char found[PATH_MAX];
    const char *call = "exec";
    struct child *child = NULL;
    const char *path = find_program(argv[0], found);
    if (path != NULL)
        child = fork_and_exec(path, argv, out, &call);
    if (child == NULL) {
        int error = errno;
        refuse(reply, IN("cannot start %s: %s: %s", "no se puede iniciar %s: %s: %s"),
               quote(argv[0]).s, call, errno_text(error).s);
    }
    return child;
}

/* Runs a program and names its pid. argv is passed as it is: no shell reads it, so ;,
 * $HOME and * mean nothing. */
void start(char *argv[], struct reply *reply)
{
    struct child *child = spawn(argv, null_device, reply);
    if (child == NULL)
        return;
    succeed(reply, IN("OK: started %s with PID %d\n", "OK: se inició %s con PID %d\n"),
            child->name.s, child->pid);
    forget_child(child);
}
