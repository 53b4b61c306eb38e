/*
 * server.c: the lecture's remote process manager, written straight from its slides.
 *
 * It works from nc, on port 5002: LIST, START cmd arg..., STOP pid, EXIT. It also has the
 * faults that come with following the slides and no further. Each is marked FAULT, in one
 * line. The server in Go beside it (server/) has none of them.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORT 5002
#define BACKLOG 128
#define BUFFER 65536 /* the lecture's 64 KB */
#define MAX_ARGS 64

static void reply(int conn, const char *text, size_t length)
{
    /* FAULT: no MSG_NOSIGNAL. A client that has gone kills the server by SIGPIPE. */
    /* FAULT: one send may take less than it was given; the rest is lost. */
    send(conn, text, length, 0);
}

static void say(int conn, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    reply(conn, line, strlen(line));
}

/* LIST: a pipe from ps, read into one buffer. */
static void list(int conn)
{
    char table[BUFFER];
    FILE *ps = popen("ps -e -o pid,comm", "r");
    if (ps == NULL) {
        say(conn, "Error: cannot list processes: popen: %s\n", strerror(errno));
        return;
    }
    /* FAULT: without a ps only popen's shell knows; nothing is read, and nothing sent. */
    size_t length = fread(table, 1, sizeof table, ps);

    /* FAULT: a longer table ends at its last line that fits, and nothing says so. */
    if (length == sizeof table)
        while (length > 0 && table[length - 1] != '\n')
            length--;
    reply(conn, table, length);

    /* FAULT: the SIGCHLD handler collects ps first, so pclose gives -1: its status is lost. */
    pclose(ps);
}

/* START: fork, then exec in the child. */
static void start(int conn, char **argv)
{
    if (argv[0] == NULL) {
        say(conn, "Error: START needs a program\n");
        return;
    }
    pid_t pid = fork();
    if (pid < 0) {
        say(conn, "Error: cannot start %s: fork: %s\n", argv[0], strerror(errno));
        return;
    }
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        /* FAULT: no setpgid: Ctrl-C at the server's terminal ends every child too. */
        /* FAULT: nothing is close-on-exec: the child keeps the port and all sockets open. */
        execvp(argv[0], argv);
        _exit(127);
    }
    /* FAULT: a child that lives costs 100 ms, and one that execs later counts as living. */
    usleep(100 * 1000);
    int status;
    /* FAULT: the handler has taken the status, so a program that does not exist "started". */
    if (waitpid(pid, &status, WNOHANG) == pid && WEXITSTATUS(status) == 127)
        say(conn, "Error: cannot start %s\n", argv[0]);
    else
        say(conn, "OK: started %s with PID %d\n", argv[0], pid);
}

/* STOP: a forced end. */
static void stop(int conn, const char *arg)
{
    if (arg == NULL) {
        say(conn, "Error: STOP needs a pid\n");
        return;
    }
    /* FAULT: atoi knows no errors: 4294967298 wraps around to 2, and 12abc is 12. */
    int pid = atoi(arg);
    if (pid <= 1 || pid == getpid())
        say(conn, "Error: process %d is protected\n", pid);
    else if (kill(pid, SIGKILL) < 0)
        say(conn, "Error: cannot stop process %d: kill: %s\n", pid, strerror(errno));
    else
        say(conn, "OK: sent SIGKILL to process %d\n", pid);
}

/* A client's thread: receive, split, run, reply, until EXIT. */
static void *serve(void *arg)
{
    int conn = (int)(long)arg;
    char buffer[BUFFER];

    for (;;) {
        memset(buffer, 0, sizeof buffer);
        /* FAULT: one recv is taken for one request. TCP may bring half of one, or two. */
        ssize_t n = recv(conn, buffer, sizeof buffer - 1, 0);
        if (n <= 0)
            break;
        buffer[strcspn(buffer, "\r\n")] = '\0';

        char *argv[MAX_ARGS + 1], *place;
        int argc = 0;
        char *token = strtok_r(buffer, " \t", &place); /* strtok is not for threads */
        while (token != NULL && argc < MAX_ARGS) {
            argv[argc++] = token;
            token = strtok_r(NULL, " \t", &place);
        }
        argv[argc] = NULL; /* FAULT: words past the 64th are dropped, and nothing says so. */

        if (argc == 0)
            say(conn, "Error: empty line\n");
        else if (strcasecmp(argv[0], "LIST") == 0)
            list(conn);
        else if (strcasecmp(argv[0], "START") == 0)
            start(conn, argv + 1);
        else if (strcasecmp(argv[0], "STOP") == 0)
            stop(conn, argv[1]);
        else if (strcasecmp(argv[0], "EXIT") == 0)
            break;
        else
            say(conn, "Error: unknown verb %s\n", argv[0]);
    }
    /* FAULT: a child that lives has a copy: the client sees no end until it is gone too. */
    close(conn);
    return NULL;
}

/* The SIGCHLD handler: collects whoever has ended. Signals coalesce, so it loops. */
static void reap(int signal)
{
    (void)signal;
    int saved = errno; /* the interrupted thread's */
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
    errno = saved;
}

static void fail(const char *call)
{
    perror(call);
    exit(1);
}

int main(void)
{
    /* FAULT: SIGTERM has its default: the server ends, and leaves its children behind. */
    struct sigaction sa = { .sa_handler = reap, .sa_flags = SA_RESTART };
    sigaction(SIGCHLD, &sa, NULL);

    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0)
        fail("socket");
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);

    /* FAULT: all interfaces, and START runs anything: so may whoever reaches this machine. */
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(PORT),
                                .sin_addr.s_addr = htonl(INADDR_ANY) };
    if (bind(fd, (struct sockaddr *)&addr, sizeof addr) < 0)
        fail("bind");
    if (listen(fd, BACKLOG) < 0)
        fail("listen");

    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    for (;;) {
        int conn = accept(fd, NULL, NULL);
        if (conn < 0)
            continue; /* FAULT: with no descriptor left this spins at full speed. */
        pthread_t thread;
        if (pthread_create(&thread, &detached, serve, (void *)(long)conn) != 0)
            close(conn);
    }
}
