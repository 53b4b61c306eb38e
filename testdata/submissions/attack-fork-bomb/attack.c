/*
 * Tries to use up the machine's processes: forks children that do nothing, and leaves them behind.
 *
 * Bounded by itself: 2,000 children at most. They use no CPU, and each ends after a minute.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(void)
{
    int n = 0;
    const char *why = "that is enough";
    while (n < 2000) {
        pid_t pid = fork();
        if (pid == 0) {
            alarm(60);
            pause();
            _exit(0);
        }
        if (pid < 0) {
            why = strerror(errno);
            break;
        }
        n++;
    }
    dprintf(1, "fork-bomb: %d children: %s\n", n, why);
    return 1;
}
