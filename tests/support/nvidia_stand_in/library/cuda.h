/* What the files of the stand-in for libcuda share.
 *
 * Memory is kept at a scale: of each MiB of the card only the first `kept` bytes are kept, and the
 * rest reads as these bytes over and over. An address is what the server says, aligned to 2 MiB.
 */
#ifndef CUDA_H
#define CUDA_H

#include "forwarding.h"

#define EXPORTED __attribute__((visibility("default")))
#define MIB ((uint64_t)1 << 20)
#define INVALID_VALUE 1
#define OUT_OF_HOST_MEMORY 2
#define NOT_INITIALIZED 3
#define NO_DEVICE 100

typedef int CUresult;
typedef uint64_t CUdeviceptr;

extern uint64_t kept;

/* Whether this very process has begun to use CUDA. */
CUresult ready(void);

/* The card of the thread's context. */
CUresult current(uint64_t *card);

/* A call without bytes. */
CUresult tell(const char *symbol, const uint64_t *arguments, struct answer *answer);

/* A call with the card of the current context as its first argument. */
CUresult call(const char *symbol, uint64_t one, uint64_t two, struct answer *answer);

#endif
