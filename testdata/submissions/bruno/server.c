/*
 * Remote process manager - Bruno Castañeda
 *
 * The main thread polls two descriptors: the listening socket, and a signalfd for SIGCHLD,
 * SIGTERM and SIGINT. Every client has a detached thread, blocked in recv. Programs are
 * started with posix_spawnp, which tells us why exec failed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORT 5002
#define MAX_LINE 65536
#define MAX_TABLE 65536

extern char **environ;

struct waiter { /* somebody who wants a child's status: LIST */
    sem_t done;
    int status;
};

struct job {
    pid_t pid;
    struct waiter *waiter; /* or NULL */
    struct job *next;
};

static pthread_mutex_t jobs_lock = PTHREAD_MUTEX_INITIALIZER;
static struct job *jobs;
static bool closing;
static int devnull;

/* Starts argv[0] with stdout on out. Returns its pid, or -errno. The lock is held until the
 * job is in the table, so reap_all never meets a child that it does not know. */
static pid_t launch(char **argv, int out, struct waiter *waiter)
{
    posix_spawnattr_t attr;
    posix_spawn_file_actions_t files;
    sigset_t set;
    pid_t pid = 0;

    posix_spawnattr_init(&attr);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                        POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attr, 0);
    sigemptyset(&set);
    posix_spawnattr_setsigmask(&attr, &set);
    sigfillset(&set);
    posix_spawnattr_setsigdefault(&attr, &set);
    posix_spawn_file_actions_adddup2(&files, devnull, 0);
    posix_spawn_file_actions_adddup2(&files, out, 1);
    posix_spawn_file_actions_adddup2(&files, devnull, 2);

    struct job *job = malloc(sizeof *job);
    pthread_mutex_lock(&jobs_lock);
    int err = closing ? ECANCELED : job == NULL ? ENOMEM : 0;
    if (!err)
        err = posix_spawnp(&pid, argv[0], &files, &attr, argv, environ);
    if (!err) {
        *job = (struct job){pid, waiter, jobs};
        jobs = job;
    }
    pthread_mutex_unlock(&jobs_lock);
    if (err)
        free(job);

    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    return err ? -err : pid;
}

static void reap_all(void)
{
    int status;
    pid_t pid;
    pthread_mutex_lock(&jobs_lock);
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct job **at = &jobs, *job;
        while (*at && (*at)->pid != pid)
            at = &(*at)->next;
        if (!(job = *at))
            continue;
        *at = job->next;
        if (job->waiter) {
            job->waiter->status = status;
            sem_post(&job->waiter->done);
        }
        free(job);
    }
    pthread_mutex_unlock(&jobs_lock);
}

/* Signals the groups of all children, and says whether there are any. */
static bool signal_jobs(int sig)
{
    pthread_mutex_lock(&jobs_lock);
    closing = true;
    for (struct job *job = jobs; job; job = job->next)
        if (kill(-job->pid, sig) < 0)
            kill(job->pid, sig);
    bool any = jobs != NULL;
    pthread_mutex_unlock(&jobs_lock);
    return any;
}

struct client {
    int fd;
    char in[4096]; /* received, not looked at yet: in[pos..len) */
    size_t pos, len;
    char line[MAX_LINE + 2]; /* one for a CR, one for '\0' */
    char table[MAX_TABLE];
};

enum { GONE = -1, TOO_LONG = -2 };

/* The next byte of the stream, or -1 at its end, or -2 if the connection broke. */
static int next_byte(struct client *c)
{
    if (c->pos == c->len) {
        ssize_t n;
        do {
            n = recv(c->fd, c->in, sizeof c->in, 0);
        } while (n < 0 && errno == EINTR);
        if (n <= 0)
            return n == 0 ? -1 : -2;
        c->pos = 0;
        c->len = n;
    }
    return (unsigned char)c->in[c->pos++];
}

/* Reads a line up to its LF into c->line. Returns its length, GONE or TOO_LONG. */
static int read_line(struct client *c)
{
    size_t n = 0;
    int b;
    while ((b = next_byte(c)) >= 0 && b != '\n') {
        if (n <= MAX_LINE)
            c->line[n] = b;
        if (n < MAX_LINE + 2)
            n++;
    }
    if (b == -2 || (b == -1 && n == 0))
        return GONE;
    if (n > 0 && n <= MAX_LINE + 1 && c->line[n - 1] == '\r')
        n--;
    if (n > MAX_LINE)
        return TOO_LONG;
    c->line[n] = '\0';
    return n;
}

static bool send_bytes(struct client *c, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(c->fd, bytes, len, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0) {
            bytes += n;
            len -= n;
        }
    }
    return true;
}

__attribute__((format(printf, 2, 3)))
static bool answer(struct client *c, const char *format, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    return send_bytes(c, text, strlen(text));
}

/* Reads a pipe to its end. Keeps the whole lines that fit in c->table, drops the rest. */
static size_t read_table(struct client *c, int fd)
{
    char rest[8192];
    size_t kept = 0;
    bool more = false;
    for (;;) {
        bool full = kept == MAX_TABLE;
        ssize_t n = full ? read(fd, rest, sizeof rest)
                         : read(fd, c->table + kept, MAX_TABLE - kept);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        if (full)
            more = true;
        else
            kept += n;
    }
    while (more && kept > 0 && c->table[kept - 1] != '\n')
        kept--;
    return kept;
}

static bool do_list(struct client *c)
{
    char *ps[] = {"ps", "-e", "-o", "pid,comm", NULL};
    struct waiter waiter;
    int p[2];
    if (pipe2(p, O_CLOEXEC) < 0)
        return answer(c, "Error: pipe: %s\n", strerror(errno));
    sem_init(&waiter.done, 0, 0);
    pid_t pid = launch(ps, p[1], &waiter);
    close(p[1]);
    if (pid < 0) {
        close(p[0]);
        return answer(c, "Error: cannot run ps: %s\n", strerror(-pid));
    }
    size_t n = read_table(c, p[0]);
    close(p[0]);
    while (sem_wait(&waiter.done) < 0) /* EINTR */
        ;
    sem_destroy(&waiter.done);
    if (WIFSIGNALED(waiter.status))
        return answer(c, "Error: ps was killed by signal %d\n", WTERMSIG(waiter.status));
    if (WEXITSTATUS(waiter.status) != 0)
        return answer(c, "Error: ps ended with status %d\n", WEXITSTATUS(waiter.status));
    if (n == 0)
        return answer(c, "Error: ps printed nothing\n");
    return send_bytes(c, c->table, n);
}

static bool do_start(struct client *c, char **argv)
{
    if (!argv[0])
        return answer(c, "Error: usage: START program [argument...]\n");
    pid_t pid = launch(argv, devnull, NULL);
    if (pid < 0)
        return answer(c, "Error: cannot start it: %s\n", strerror(-pid));
    return answer(c, "Started, PID %d\n", pid);
}

static bool do_stop(struct client *c, char **argv)
{
    if (!argv[0] || argv[1])
        return answer(c, "Error: usage: STOP pid\n");
    if (argv[0][strspn(argv[0], "0123456789")] != '\0')
        return answer(c, "Error: a pid has digits only\n");
    errno = 0;
    long n = strtol(argv[0], NULL, 10);
    if (errno == ERANGE || n > INT32_MAX)
        return answer(c, "Error: there is no pid that large\n");
    if (n < 2 || tgkill(getpid(), n, 0) == 0) /* init, our group, us or a thread of ours */
        return answer(c, "Error: not that one\n");
    if (kill(n, SIGKILL) < 0)
        return answer(c, "Error: kill %ld: %s\n", n, strerror(errno));
    return answer(c, "Killed %ld\n", n);
}

static bool is(const char *word, const char *const *names)
{
    while (*names && strcasecmp(word, *names) != 0)
        names++;
    return *names != NULL;
}

static const char *const list_names[] = {"LIST", "LISTAR", "LS", "PS", "LISTA", "VER", "SHOW",
    "MOSTRAR", "PROCESOS", "PROCESSES", NULL};
static const char *const start_names[] = {"START", "INICIAR", "RUN", "EJECUTAR", "LAUNCH",
    "LANZAR", "EXEC", "CORRER", "BEGIN", "EMPEZAR", "CREATE", "CREAR", NULL};
static const char *const stop_names[] = {"STOP", "DETENER", "KILL", "MATAR", "END", "TERMINAR",
    "FINISH", "FINALIZAR", "CANCEL", "CANCELAR", "HALT", "PARAR", NULL};
static const char *const exit_names[] = {"EXIT", "SALIR", "QUIT", "BYE", "ADIOS", "ADIÓS",
    "adiós", "CLOSE", "CERRAR", "DISCONNECT", "DESCONECTAR", NULL};

/* Runs one line. False: the session is over. */
static bool run_line(struct client *c, size_t len)
{
    if (memchr(c->line, '\0', len))
        return answer(c, "Error: that is not text\n");
    char **argv = malloc((len / 2 + 2) * sizeof *argv); /* a token and a space are 2 bytes */
    if (!argv)
        return answer(c, "Error: out of memory\n");
    size_t argc = 0;
    char *state;
    for (char *t = strtok_r(c->line, " \t", &state); t; t = strtok_r(NULL, " \t", &state))
        argv[argc++] = t;
    argv[argc] = NULL;

    bool go_on;
    if (argc == 0)
        go_on = answer(c, "Error: empty line\n");
    else if (is(argv[0], list_names))
        go_on = do_list(c);
    else if (is(argv[0], start_names))
        go_on = do_start(c, argv + 1);
    else if (is(argv[0], stop_names))
        go_on = do_stop(c, argv + 1);
    else if (is(argv[0], exit_names))
        go_on = answer(c, "Bye\n") && false;
    else
        go_on = answer(c, "Error: I know LIST, START, STOP and EXIT\n");
    free(argv);
    return go_on;
}

static void *client_thread(void *arg)
{
    struct client *c = arg;
    bool go_on = true;
    while (go_on) {
        int len = read_line(c);
        if (len == GONE)
            break;
        go_on = len == TOO_LONG ? answer(c, "Error: more than %d bytes\n", MAX_LINE)
                                : run_line(c, len);
    }
    /* what was not read would turn our close into a reset */
    for (int i = 0; i < 16 && recv(c->fd, c->in, sizeof c->in, MSG_DONTWAIT) > 0; i++)
        ;
    close(c->fd);
    free(c);
    return NULL;
}

static void die(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static int open_listener(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), yes = 1;
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    if (fd < 0)
        die("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, (struct sockaddr *)&any, sizeof any) < 0)
        die("bind");
    if (listen(fd, SOMAXCONN) < 0)
        die("listen");
    return fd;
}

/* Takes one client from the queue. False: there is no descriptor for it now. */
static bool take_client(int listener)
{
    int yes = 1;
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return errno == EAGAIN || errno == EINTR || errno == ECONNABORTED;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);

    struct client *c = malloc(sizeof *c);
    pthread_attr_t attr;
    pthread_t thread;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, 128 * 1024);
    if (c) {
        c->fd = fd;
        c->pos = c->len = 0;
    }
    if (!c || pthread_create(&thread, &attr, client_thread, c) != 0) {
        free(c);
        close(fd);
    }
    pthread_attr_destroy(&attr);
    return true;
}

/* Signals the children, and reaps for up to a second. Says whether any are left. */
static bool end_jobs(int sig)
{
    bool left = signal_jobs(sig);
    for (int i = 0; i < 100 && left; i++) {
        poll(NULL, 0, 10);
        reap_all();
        left = signal_jobs(0);
    }
    return left;
}

int main(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* the clients' threads inherit it */
    signal(SIGCHLD, SIG_DFL);
    int sigfd = signalfd(-1, &set, SFD_CLOEXEC);
    if (sigfd < 0)
        die("signalfd");
    devnull = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (devnull < 0)
        die("/dev/null");
    int listener = open_listener();

    bool full = false;
    for (;;) {
        /* without a free descriptor, leave the queue alone for 100 ms */
        struct pollfd p[2] = {{.fd = full ? -1 : listener, .events = POLLIN},
                              {.fd = sigfd, .events = POLLIN}};
        if (poll(p, 2, full ? 100 : -1) < 0)
            continue;
        full = false;
        if (p[1].revents) {
            struct signalfd_siginfo info;
            if (read(sigfd, &info, sizeof info) != sizeof info)
                continue;
            if (info.ssi_signo != SIGCHLD)
                break;
            reap_all();
        }
        if (p[0].revents)
            full = !take_client(listener);
    }

    close(listener);
    if (end_jobs(SIGTERM))
        end_jobs(SIGKILL);
    return 0;
}
