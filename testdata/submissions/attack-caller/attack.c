/*
 * Tries to reach somebody outside: an address that nobody has (192.0.2.1, TEST-NET-1, RFC 5737), and
 * every abstract Unix socket in sight, which no file system guards.
 *
 * Bounded by itself: 2 seconds and one SYN or so; 50 sockets, each closed at once; nothing is sent.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void call(const struct sockaddr *to, socklen_t size, const char *where)
{
    int error = 0, fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, to, size) < 0)
        error = errno;
    if (error == EINPROGRESS) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        socklen_t len = sizeof error;
        error = ETIMEDOUT;
        if (poll(&p, 1, 2000) > 0)
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
    }
    if (error == 0)
        dprintf(1, "caller: connected %s\n", where);
    else
        dprintf(1, "caller: refused: %s: %s\n", where, strerror(error));
    if (fd >= 0)
        close(fd);
}

int main(void)
{
    alarm(60);
    struct sockaddr_in out = {.sin_family = AF_INET, .sin_port = htons(5999)};
    inet_pton(AF_INET, "192.0.2.1", &out.sin_addr);
    call((struct sockaddr *)&out, sizeof out, "192.0.2.1:5999");

    char line[512];
    FILE *table = fopen("/proc/net/unix", "r");
    for (int n = 0; n < 50 && table != NULL && fgets(line, sizeof line, table) != NULL;) {
        char *name = strchr(line, '@'); /* what the kernel shows for the 0 that begins it */
        struct sockaddr_un abstract = {.sun_family = AF_UNIX};
        line[strcspn(line, "\n")] = '\0';
        if (name == NULL || strlen(name) > sizeof abstract.sun_path)
            continue;
        memcpy(abstract.sun_path + 1, name + 1, strlen(name) - 1);
        socklen_t size = offsetof(struct sockaddr_un, sun_path) + strlen(name);
        call((struct sockaddr *)&abstract, size, name);
        n++;
    }
    return 1;
}
