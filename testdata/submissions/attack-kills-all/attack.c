/*
 * Tries to end the grader, and whoever else runs on the machine: SIGKILL to each process that it
 * can see, except init and itself, and then to everybody at once, kill(-1).
 *
 * Bounded by itself: it kills only in a pid namespace that is not the machine's first one, and whose
 * init is younger than an hour: a sandbox. Elsewhere it only asks (signal 0) whom it could have
 * killed. Do not trust that: never run it but in `bwrap --unshare-all --proc /proc …`.
 */
#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The inode of the first pid namespace (PROC_PID_INIT_INO in the kernel's source). */
#define FIRST "pid:[4026531836]"

/* For how many seconds init has run; a day if that is not to be learned. */
static double age_of_init(void)
{
    char stat[1024] = "";
    double up = 0;
    unsigned long long began;
    FILE *f = fopen("/proc/1/stat", "r");
    FILE *g = fopen("/proc/uptime", "r");
    if (f == NULL || g == NULL || !fgets(stat, sizeof stat, f) || fscanf(g, "%lf", &up) != 1)
        return 86400;
    char *rest = strrchr(stat, ')'); /* the 22nd field is the start, in clock ticks */
    for (int field = 2; rest != NULL && field < 22; field++)
        rest = strchr(rest + 1, ' ');
    if (rest == NULL || sscanf(rest, "%llu", &began) != 1)
        return 86400;
    return up - (double)began / sysconf(_SC_CLK_TCK);
}

int main(void)
{
    char ns[64] = "";
    alarm(60);
    if (readlink("/proc/self/ns/pid", ns, sizeof ns - 1) < 0)
        strcpy(ns, FIRST);
    double age = age_of_init();
    int sandbox = strcmp(ns, FIRST) != 0 && age >= 0 && age < 3600;
    int sig = sandbox ? SIGKILL : 0, n = 0;

    DIR *proc = opendir("/proc");
    for (struct dirent *e; proc != NULL && (e = readdir(proc)) != NULL;) {
        int pid = isdigit((unsigned char)e->d_name[0]) ? atoi(e->d_name) : 0;
        if (pid > 1 && pid != getpid() && kill(pid, sig) == 0)
            n++;
    }
    int all = sandbox ? kill(-1, SIGKILL) : -1; /* everybody but init and itself */
    dprintf(1, "kills-all: %s %d processes%s\n", sandbox ? "killed" : "could have killed", n,
            all == 0 ? ", and then more by kill(-1)" : "");
    return 1;
}
