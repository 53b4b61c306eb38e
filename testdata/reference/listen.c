/*
 * listen.c: the life of a connection, steps 1 to 4: socket, bind, listen, accept.
 */
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* How many connections the kernel may complete and hold for us before we accept them. The
 * kernel lowers it to net.core.somaxconn (listen(2)). */
enum { BACKLOG = 128 };

/* Says why bind or listen failed, and what to do about it. Of two servers that start at
 * the same moment both may bind; the second then fails to listen. */
static _Noreturn void cannot_open(const char *call, int port, int error)
{
    const char *advice = IN("try another port with -port",
                            "prueba otro puerto con -port");
    if (error == EADDRINUSE)
        advice = IN("is another server running? look with `ss -ltnp`, or try -port 0",
                    "¿hay otro servidor corriendo? búscalo con `ss -ltnp`, "
                    "o prueba -port 0");
    else if (error == EACCES)
        advice = IN("ports under 1024 are root's: choose a larger one with -port",
                    "los puertos menores a 1024 son de root: elige uno mayor con -port");
    cannot_start("%s 0.0.0.0:%d: %s: %s", call, port, errno_text(error).s, advice);
}

/* Writes an IPv4 socket address as ADDR:PORT. */
struct text address(const struct sockaddr_in *in)
{
    char host[INET_ADDRSTRLEN] = "?";
    inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
    struct text text;
    snprintf(text.s, sizeof text.s, "%s:%d", host, ntohs(in->sin_port));
    return text;
}

/* Makes the socket that clients find. A step that fails ends the server. */
int open_port(int port)
{
    /* 1. An end point for TCP over IPv4. It has no address yet. */
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        cannot_start("socket: %s", errno_text(errno).s);

    /* Connections that we closed stay on the port in TIME_WAIT for a minute (tcp(7)).
     * Without this option, bind would call the address in use until the last of them is
     * gone. */
    int on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
        cannot_start("setsockopt SO_REUSEADDR: %s", errno_text(errno).s);

    /* 2. The port, on all interfaces: INADDR_ANY is 0.0.0.0. */
    struct sockaddr_in local = {
        .sin_family = AF_INET,
        .sin_port = htons((in_port_t)port),
        .sin_addr.s_addr = htonl(INADDR_ANY),
    };
    if (bind(fd, (struct sockaddr *)&local, sizeof local) < 0)
        cannot_open("bind", port, errno);

    /* 3. From here on the kernel completes handshakes, and queues them for accept. */
    if (listen(fd, BACKLOG) < 0)
        cannot_open("listen", port, errno);

    socklen_t size = sizeof local; /* names the port that the kernel chose for -port 0 */
    getsockname(fd, (struct sockaddr *)&local, &size);
    say("listen", IN("%s, with a queue of %d", "%s, con una cola de espera de %d"),
        address(&local).s, BACKLOG);
    return fd;
}

/* Tells a connection that was accepted why it is not served, and closes it. */
static void turn_away(int conn, const struct sockaddr_in *peer, const char *why)
{
    char line[256];
    int length = snprintf(line, sizeof line, "Error: %s\n", why);
    say("error", IN("refused %s: %s", "se rechazó a %s: %s"), address(peer).s, why);
    send_all(conn, line, (size_t)length);
    hang_up(conn);
}

/* Whether a connection's two ends are on one machine: by the loopback network,
 * 127.0.0.0/8, or with one and the same address at both ends. */
static bool on_this_machine(int conn, const struct sockaddr_in *peer)
{
    struct sockaddr_in local;
    socklen_t size = sizeof local;
    if (getsockname(conn, (struct sockaddr *)&local, &size) < 0)
        return false;
    return ntohl(peer->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET ||
           peer->sin_addr.s_addr == local.sin_addr.s_addr;
}

/* Gives a connection to a thread of its own, so that the caller can go on accepting. */
static void delegate(int conn, const struct sockaddr_in *peer)
{
    if (!on_this_machine(conn, peer)) {
        turn_away(conn, peer,
                  IN("START runs any program, so this server serves only its own machine",
                     "START ejecuta cualquier programa, así que este servidor solo "
                     "atiende a su propia máquina"));
        return;
    }
    int error = start_session(conn);
    if (error != 0) {
        struct text why;
        snprintf(why.s, sizeof why.s, "pthread_create: %.100s: %s", errno_text(error).s,
                 IN("try again later", "intenta más tarde"));
        turn_away(conn, peer, why.s);
    }
}

/* Takes a descriptor whose only use is to be given back when there is no other. */
static int open_spare(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int accept_one(int fd, struct sockaddr_in *peer)
{
    socklen_t size = sizeof *peer;
    return accept4(fd, (struct sockaddr *)peer, &size, SOCK_CLOEXEC);
}

/*
 * Is for accept's EMFILE and its kin. The connection stays in the queue, so calling
 * accept again at once would fail again, for ever, at full speed. Giving the spare
 * descriptor back makes room to accept one client, and to tell it. Returns the spare for
 * the next time.
 */
static int accept_with_spare(int spare, int fd, int error)
{
    say("error", "accept: %s", errno_text(error).s);
    struct sockaddr_in peer;
    int conn = -1;
    if (spare >= 0) {
        close(spare); /* makes room for one descriptor */
        conn = accept_one(fd, &peer);
        if (conn < 0 && errno == EINVAL) /* shut down: the caller's accept sees it too */
            return -1;
    }
    if (conn < 0) {
        poll(NULL, 0, 100); /* 100 ms, in which a client may leave */
        return open_spare();
    }
    spare = open_spare();
    if (spare >= 0) { /* while accept waited for this client, another one left */
        delegate(conn, &peer);
        return spare;
    }
    turn_away(conn, &peer,
              IN("the server has no descriptor left for you: try again later",
                 "al servidor no le quedan descriptores para ti: intenta más tarde"));
    return open_spare();
}

/*
 * The server's main loop, step 4: takes each connection from the queue and delegates it
 * to a thread. Returns when the listening socket has been shut down, and does not close
 * it: the thread that shuts it down knows it by its number, which must not become another
 * file's.
 */
void accept_clients(int fd)
{
    int spare = open_spare();
    for (;;) {
        struct sockaddr_in peer;
        int conn = accept_one(fd, &peer);
        if (conn >= 0)
            delegate(conn, &peer);
        else if (errno == EINVAL)
            return; /* shut down */
        else if (errno != EINTR && errno != ECONNABORTED) /* a signal; a client left */
            spare = accept_with_spare(spare, fd, errno);
    }
}
