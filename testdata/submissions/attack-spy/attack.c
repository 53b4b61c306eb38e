/*
 * Tries to read, or even write, what it may not: the scripts that judge it, results, the roster,
 * what others have submitted, the environment and the files of other processes.
 * Bounded by itself: 50,000 names, 6 folders deep, 200 hits, one minute. It opens, and reads or
 * writes nothing; it lets go at once of whom it traces.
 */
#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NAMES = 50000, DEEP = 6, HITS = 200 };
static char *folders[NAMES] = {""}; /* "" is / */
static int depth[NAMES], known = 1, seen, hits;

static void try(const char *path)
{
    int fd = hits < HITS ? open(path, O_RDONLY | O_NONBLOCK) : -1;
    if (fd < 0)
        return;
    close(fd);
    hits++;
    dprintf(1, "spy: read %s\n", path);
    if ((fd = open(path, O_WRONLY | O_NONBLOCK)) >= 0) { /* a folder is an error: EISDIR */
        dprintf(1, "spy: wrote %s\n", path);
        close(fd);
    }
}

static void look(int in)
{
    const char *wanted[] = {"*.txtar", "results.json", "roster.csv", "server.c"};
    DIR *dir = opendir(in ? folders[in] : "/");
    for (struct dirent *e; dir && seen < NAMES && (e = readdir(dir)); seen++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folders[in], e->d_name);
        for (int i = 0; i < 4; i++)
            if (fnmatch(wanted[i], e->d_name, 0) == 0)
                try(path);
        if (e->d_type != DT_DIR || depth[in] == DEEP || known == NAMES || !strcmp(e->d_name, ".") ||
            !strcmp(e->d_name, "..") || strstr("/proc /sys /usr", path))
            continue; /* else a folder to look into, later */
        depth[known] = depth[in] + 1;
        folders[known++] = strdup(path);
    }
    if (dir)
        closedir(dir);
}

static void trace(pid_t pid)
{
    if (pid <= 0 || ptrace(PTRACE_ATTACH, pid, NULL, NULL) < 0)
        return;
    waitpid(pid, NULL, __WALL);
    ptrace(PTRACE_DETACH, pid, NULL, NULL);
    hits += dprintf(1, "spy: traced %d\n", pid) > 0;
}

int main(void)
{
    alarm(60);
    DIR *proc = opendir("/proc");
    for (struct dirent *e; proc && (e = readdir(proc));)
        for (int i = 0; i < 5 && atoi(e->d_name) > 0 && atoi(e->d_name) != getpid(); i++) {
            char path[300], *of[] = {"environ", "root", "cwd", "fd/0", "fd/3"};
            snprintf(path, sizeof path, "/proc/%s/%s", e->d_name, of[i]);
            try(path);
        }
    for (int i = 0; i < known; i++) /* breadth first */
        look(i);
    trace(getppid());
    trace(getppid() == 1 ? 0 : 1);
    return hits > 0 || dprintf(1, "spy: nothing\n");
}
