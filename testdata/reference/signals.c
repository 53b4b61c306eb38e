/*
 * signals.c: SIGCHLD, and the signals that ask the server to end. The lecture has a
 * handler; here a thread waits for them.
 */
#include "server.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

static sigset_t awaited; /* the signals that one thread waits for */

/*
 * Blocks the signals that the server waits for, in the calling thread and in all that it
 * will create. A handler could run at any point of any thread, and so might neither lock
 * nor log; what sigwait returns to is ordinary code. A signal that comes while nobody
 * waits is pending.
 */
void block_signals(void)
{
    struct sigaction inherited;
    sigaction(SIGHUP, NULL, &inherited);
    sigemptyset(&awaited);
    sigaddset(&awaited, SIGCHLD);
    sigaddset(&awaited, SIGTERM);
    sigaddset(&awaited, SIGINT);
    if (inherited.sa_handler != SIG_IGN) /* nohup(1) */
        sigaddset(&awaited, SIGHUP);
    pthread_sigmask(SIG_SETMASK, &awaited, NULL);

    /* Whoever started us may have had some ignored. An ignored SIGCHLD has the kernel
     * throw our children's statuses away (wait(2)). */
    const struct sigaction by_default = {.sa_handler = SIG_DFL};
    sigaction(SIGCHLD, &by_default, NULL);
    sigaction(SIGTERM, &by_default, NULL);
    sigaction(SIGINT, &by_default, NULL);

    /* Whoever reads our log may go first (server_bin 2>&1 | head): then write fails. */
    const struct sigaction ignored = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignored, NULL);
}

/* The thread: reaps on SIGCHLD, and on the others shuts the listening socket down, which
 * wakes the thread that is blocked in accept. It reaps up to the server's end. */
static void *serve_signals(void *arg)
{
    int fd = (int)(intptr_t)arg;
    for (;;) {
        int sig;
        if (sigwait(&awaited, &sig) != 0)
            continue;
        if (sig == SIGCHLD) {
            reap();
            continue;
        }
        say("end", IN("SIG%s: accepting no more clients",
                      "SIG%s: ya no se aceptan clientes"), sigabbrev_np(sig));
        shutdown(fd, SHUT_RDWR);
    }
    return NULL;
}

/* Starts that thread. fd is the listening socket. */
void wait_for_signals(int fd)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, serve_signals, (void *)(intptr_t)fd);
    if (error != 0)
        cannot_start("pthread_create: %s", errno_text(error).s);
    pthread_detach(thread);
}
