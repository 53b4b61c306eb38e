/*
 * Tries to fill whatever keeps the output of a server: lines, and then one that does not end.
 *
 * Bounded by itself: 256 MiB, or one minute.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(void)
{
    static char block[1 << 20];
    ssize_t n = 0;
    int mib = 0;
    alarm(60);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error then */
    signal(SIGPIPE, SIG_IGN);
    dprintf(1, "endless-output: begins\n");
    memset(block, 'x', sizeof block);
    while (mib < 256 && (n = write(1, block, sizeof block)) > 0) {
        mib++;
        for (size_t i = 79; mib < 128 && i < sizeof block; i += 80)
            block[i] = '\n';
        if (mib == 128)
            memset(block, 'x', sizeof block);
    }
    const char *why = n < 0 ? strerror(errno) : "that is enough";
    dprintf(1, "\nendless-output: %d MiB: %s\n", mib, why);
    dprintf(2, "endless-output: %d MiB: %s\n", mib, why);
    return 1;
}
