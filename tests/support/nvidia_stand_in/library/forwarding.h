/* Sends a call of libcuda or NVML to the stand-in's server, and waits for the answer.
 *
 * Every thread has a connection of its own, so that a call that waits holds nobody else up. The
 * server knows who calls by the connection's peer. What a call is, and what it answers, is all
 * said in Python (door.py): this library only carries numbers and bytes.
 */
#ifndef FORWARDING_H
#define FORWARDING_H

#include <stddef.h>
#include <stdint.h>

#define NUMBERS 8
#define MOST_BYTES (1024 * 1024)

struct request {
    char symbol[64];
    uint64_t arguments[NUMBERS];
    uint64_t length;
};

struct answer {
    int64_t code;
    uint64_t results[NUMBERS];
    uint64_t length;
};

/* Returns the answer's code; `unreachable` where no server answers. Bytes beyond `capacity` are
 * dropped; `answer->length` says how many there were. */
int forward(const char *symbol, const uint64_t *arguments, const void *bytes, size_t length,
            struct answer *answer, void *buffer, size_t capacity, int unreachable);

#define ARGUMENTS(...) ((const uint64_t[NUMBERS]){__VA_ARGS__})

#endif
