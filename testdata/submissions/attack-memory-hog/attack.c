/*
 * Tries to use up the machine's memory: takes more and more, and writes to each page of it. Says so
 * as it goes: who is killed for it can say nothing afterwards.
 *
 * Bounded by itself: 1 GiB at most, held for 5 seconds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PIECE (64 << 20)

int main(void)
{
    alarm(60);
    for (int n = 1; n <= 16; n++) {
        volatile char *piece = malloc(PIECE); /* volatile: no write is left out */
        if (piece == NULL) {
            dprintf(1, "memory-hog: malloc gives no more\n");
            return 1;
        }
        for (int i = 0; i < PIECE; i += 4096)
            piece[i] = 1;
        dprintf(1, "memory-hog: %d MiB\n", n * 64);
    }
    sleep(5);
    return 1;
}
