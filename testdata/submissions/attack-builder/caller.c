/* Tries to reach 192.0.2.1 (TEST-NET-1, RFC 5737: nobody has it) from a build, for 2 seconds. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

int main(void)
{
    struct sockaddr_in out = {.sin_family = AF_INET, .sin_port = htons(5999)};
    int error = 0, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    inet_pton(AF_INET, "192.0.2.1", &out.sin_addr);
    if (fd < 0 || connect(fd, (struct sockaddr *)&out, sizeof out) < 0)
        error = errno;
    if (error == EINPROGRESS) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        socklen_t size = sizeof error;
        error = ETIMEDOUT;
        if (poll(&p, 1, 2000) > 0)
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    }
    if (error == 0)
        printf("builder: connected 192.0.2.1:5999\n");
    else
        printf("builder: refused: %s\n", strerror(error));
}
