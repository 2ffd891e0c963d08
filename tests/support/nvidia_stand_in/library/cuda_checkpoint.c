/* libcuda.so.1: the checkpoint functions. */
#include "cuda.h"

EXPORTED CUresult cuCheckpointProcessGetState(int pid, int *state) {
    struct answer answer;
    CUresult code = tell("cuCheckpointProcessGetState", ARGUMENTS(pid), &answer);
    *state = (int)answer.results[0];
    return code;
}

EXPORTED CUresult cuCheckpointProcessGetRestoreThreadId(int pid, int *thread) {
    struct answer answer;
    CUresult code = tell("cuCheckpointProcessGetRestoreThreadId", ARGUMENTS(pid), &answer);
    *thread = (int)answer.results[0];
    return code;
}

EXPORTED CUresult cuCheckpointProcessLock(int pid, const unsigned int *timeout_ms) {
    uint64_t timeout = timeout_ms == NULL ? 0 : *timeout_ms;
    return tell("cuCheckpointProcessLock", ARGUMENTS(pid, timeout), NULL);
}

EXPORTED CUresult cuCheckpointProcessCheckpoint(int pid, void *arguments) {
    (void)arguments;
    return tell("cuCheckpointProcessCheckpoint", ARGUMENTS(pid), NULL);
}

struct restore_arguments {
    const char *pairs;
    unsigned int count;
};

EXPORTED CUresult cuCheckpointProcessRestore(int pid, const struct restore_arguments *arguments) {
    const char *pairs = arguments == NULL ? NULL : arguments->pairs;
    size_t length = pairs == NULL ? 0 : arguments->count * (size_t)32;
    return forward("cuCheckpointProcessRestore", ARGUMENTS(pid), pairs, length, NULL, NULL, 0,
                   NO_DEVICE);
}

EXPORTED CUresult cuCheckpointProcessUnlock(int pid, void *arguments) {
    (void)arguments;
    return tell("cuCheckpointProcessUnlock", ARGUMENTS(pid), NULL);
}
