/*
 * reap.c: wait: children are recorded when they are forked, and collected when they have
 * ended, so that none is left a zombie.
 */
#include "server.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* How long a child may take to end after SIGTERM, before it gets SIGKILL; and how long
 * the server waits in all: a child that became another user's (sudo) is not ours to
 * kill. */
enum { GRACE = 1, PATIENCE = 10 };

/* The lock is held from fork until the child is recorded, and from waitpid until it is
 * looked up: else a child that ends at once could be collected before anybody knows of
 * it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t collected = PTHREAD_COND_INITIALIZER;
static struct child *children; /* those that live, or are zombies */
static bool ending;            /* no more are to be started */

/* Collects one child that has ended. False: there is none. The caller holds the lock. */
static bool collect(void)
{
    int status;
    pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid <= 0) /* 0: children, and all of them alive; ECHILD: no children at all */
        return false;

    struct child **link = &children;
    while (*link != NULL && (*link)->pid != pid)
        link = &(*link)->next;
    struct child *child = *link;
    if (child == NULL) { /* left to us by the program that became this server by exec */
        say("reap", IN("process %d, which this server did not start, %s",
                       "el proceso %d, que este servidor no inició, %s"),
            pid, status_text(status).s);
        return true;
    }
    *link = child->next;
    say("reap", IN("child %d (%s) %s", "el hijo %d (%s) %s"), pid, child->name.s,
        status_text(status).s);
    child->status = status;
    child->ended = true;
    if (!child->owned)
        free(child);
    pthread_cond_broadcast(&collected);
    return true;
}

/* Collects every child that has ended: ten that end together may be one SIGCHLD. This is
 * the only place that waits: a second one would take statuses away from it. */
void reap(void)
{
    pthread_mutex_lock(&lock);
    while (collect())
        ;
    pthread_mutex_unlock(&lock);
}

/* Joins argv with spaces, as far as there is room. */
static struct text join(char *argv[])
{
    struct text text = {""};
    for (size_t n = 0; *argv != NULL && n < sizeof text.s; argv++)
        n += (size_t)snprintf(text.s + n, sizeof text.s - n, "%s%s", n > 0 ? " " : "",
                              *argv);
    return text;
}

/*
 * Forks, and records the child. Returns as fork does: in the server the child's pid, and
 * *child, to which the caller owes an await_child or a forget_child; 0 in the clone; -1
 * with errno.
 */
pid_t fork_child(char *argv[], struct child **child)
{
    struct child *new = malloc(sizeof *new);
    if (new == NULL)
        return -1;
    *child = new;
    pthread_mutex_lock(&lock);
    errno = ECANCELED;
    pid_t pid = ending ? -1 : fork();
    if (pid == 0)
        return 0; /* with a copy of the lock that the clone must not touch */
    int error = errno;
    if (pid > 0) {
        struct text command = join(argv);
        say("fork", IN("child %d: %s", "hijo %d: %s"), pid,
            printable(command.s, strlen(command.s)).s);
        *new = (struct child){.pid = pid, .owned = true, .next = children};
        new->name = printable(argv[0], strlen(argv[0]));
        children = new;
    }
    pthread_mutex_unlock(&lock);
    if (pid < 0)
        free(new);
    errno = error;
    return pid;
}

/* Waits until a child has been collected, frees it and returns its wait status. */
int await_child(struct child *child)
{
    pthread_mutex_lock(&lock);
    while (!child->ended)
        pthread_cond_wait(&collected, &lock);
    pthread_mutex_unlock(&lock);
    int status = child->status;
    free(child);
    return status;
}

/* Leaves a child to be freed as soon as it has been collected. */
void forget_child(struct child *child)
{
    pthread_mutex_lock(&lock);
    child->owned = false;
    if (child->ended)
        free(child);
    pthread_mutex_unlock(&lock);
}

/* Sends a signal to the process group of every child, and returns how many there are.
 * None of the pids can have become another process's: that takes waitpid, which takes
 * the lock. */
static int signal_each(int sig)
{
    int count = 0;
    for (struct child *child = children; child != NULL; child = child->next, count++)
        if (kill(-child->pid, sig) < 0 && errno == ESRCH) /* it moved to another group */
            kill(child->pid, sig);
    return count;
}

/* Waits until no child is left, but no longer than until a time of CLOCK_MONOTONIC. */
static void wait_until_none(time_t seconds, long nanoseconds)
{
    const struct timespec limit = {seconds, nanoseconds};
    int error = 0;
    while (children != NULL && error == 0) /* then it is ETIMEDOUT */
        error = pthread_cond_clockwait(&collected, &lock, CLOCK_MONOTONIC, &limit);
}

/* Ends what the server started: SIGTERM first, and SIGKILL for who is left after GRACE.
 * The other thread collects them. */
void end_children(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);

    pthread_mutex_lock(&lock);
    ending = true;
    int found = signal_each(SIGTERM);
    wait_until_none(now.tv_sec + GRACE, now.tv_nsec);
    signal_each(SIGKILL);
    wait_until_none(now.tv_sec + PATIENCE, now.tv_nsec);
    int left = signal_each(0);
    pthread_mutex_unlock(&lock);

    if (left > 0)
        say("warning", IN("children that cannot be killed: %d",
                          "hijos que no se pueden matar: %d"), left);
    say("end", IN("children ended: %d", "hijos terminados: %d"), found - left);
}
