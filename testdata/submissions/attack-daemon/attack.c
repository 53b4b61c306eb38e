/*
 * Tries to outlive its scenario: it ignores the polite signals, leaves its parent, its session and
 * its process group twice, drops its environment and its name, and then holds port 5002 and answers
 * nobody.
 *
 * Bounded by itself: SIGALRM ends it after 5 minutes.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void leave(void)
{
    for (int i = 0; i < 2; i++) {
        if (fork() != 0)
            _exit(0);
        setsid();
        if (fork() != 0)
            _exit(0);
    }
}

static void hold_port(void)
{
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(5002)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&any, sizeof any) < 0 || listen(fd, 10) < 0) {
        dprintf(1, "daemon: port 5002 is not mine: %m\n");
        _exit(1);
    }
    dprintf(1, "daemon: %d holds port 5002, child of %d\n", getpid(), getppid());
}

int main(int argc, char *argv[])
{
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    if (argc > 0 && strcmp(argv[0], "kworker/0:0") != 0) {
        char *name[] = {"kworker/0:0", NULL}, *nothing[] = {NULL};
        leave();
        alarm(300); /* which exec keeps */
        execve("/proc/self/exe", name, nothing); /* clearenv would not show in /proc */
        _exit(1);
    }
    hold_port();
    for (;;)
        pause();
}
