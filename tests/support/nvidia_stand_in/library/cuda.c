/* libcuda.so.1, as far as the agent and the tests' programs call it.
 *
 * Memory is kept at a scale: of each MiB of the card only the first `kept` bytes are kept, and the
 * rest reads as these bytes over and over. An address is what the server says, aligned to 2 MiB.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "forwarding.h"

#define EXPORTED __attribute__((visibility("default")))
#define MIB ((uint64_t)1 << 20)
#define INVALID_VALUE 1
#define OUT_OF_HOST_MEMORY 2
#define NOT_INITIALIZED 3
#define NO_DEVICE 100
#define INVALID_CONTEXT 201
#define NOT_FOUND 500
#define DEEPEST 16
#define FIRST_CONTEXT 0x1000

typedef int CUresult;
typedef int CUdevice;
typedef uintptr_t CUcontext;
typedef uint64_t CUdeviceptr;

static pid_t begun_by;
static uint64_t kept = MIB;
static _Thread_local CUcontext contexts[DEEPEST];
static _Thread_local int depth;

static CUresult tell(const char *symbol, const uint64_t *arguments, struct answer *answer) {
    return forward(symbol, arguments, NULL, 0, answer, NULL, 0, NO_DEVICE);
}

/* A child of a process that uses CUDA cannot use it. */
static CUresult ready(void) { return begun_by == getpid() ? 0 : NOT_INITIALIZED; }

static CUresult current(uint64_t *card) {
    CUresult code = ready();
    if (code) return code;
    if (!depth || !contexts[depth - 1]) return INVALID_CONTEXT;
    *card = contexts[depth - 1] - FIRST_CONTEXT;
    return 0;
}

/* A call with the card of the current context as its first argument. */
static CUresult call(const char *symbol, uint64_t one, uint64_t two, struct answer *answer) {
    uint64_t card;
    CUresult code = current(&card);
    return code ? code : tell(symbol, ARGUMENTS(card, one, two), answer);
}

EXPORTED CUresult cuInit(unsigned int flags) {
    struct answer answer;
    if (begun_by && begun_by != getpid()) return NOT_INITIALIZED;
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    uint64_t length = visible ? strlen(visible) : 0;
    CUresult code = forward("cuInit", ARGUMENTS(flags, visible != NULL), visible, length, &answer,
                            NULL, 0, NO_DEVICE);
    if (code) return code;
    kept = answer.results[0];
    begun_by = getpid();
    return 0;
}

EXPORTED CUresult cuDriverGetVersion(int *version) {
    struct answer answer;
    CUresult code = tell("cuDriverGetVersion", NULL, &answer);
    *version = (int)answer.results[0];
    return code;
}

EXPORTED CUresult cuGetErrorName(CUresult error, const char **name) {
    static _Thread_local char text[128];
    struct answer answer;
    CUresult code = forward("cuGetErrorName", ARGUMENTS(error), NULL, 0, &answer, text,
                            sizeof text - 1, INVALID_VALUE);
    text[code ? 0 : answer.length] = 0;
    *name = code ? NULL : text;
    return code;
}

EXPORTED CUresult cuGetErrorString(CUresult error, const char **text) {
    CUresult code = cuGetErrorName(error, text);
    if (!code) *text = "said by the stand-in for NVIDIA's driver";
    return code;
}

static int hidden(const char *name) {
    static char all[4096];
    static int asked;
    struct answer answer;
    if (!asked) {
        /* Names with a blank before and behind each. */
        forward("hidden", NULL, NULL, 0, &answer, all, sizeof all - 1, 0);
        asked = 1;
    }
    char wanted[80];
    snprintf(wanted, sizeof wanted, " %s ", name);
    return strstr(all, wanted) != NULL;
}

EXPORTED CUresult cuGetProcAddress_v2(const char *name, void **function, int version,
                                      uint64_t flags, int *status) {
    static const char *const endings[] = {"_v4", "_v3", "_v2", ""};
    (void)version, (void)flags;
    static void *own;
    if (own == NULL) {
        Dl_info where;
        dladdr(&begun_by, &where);
        own = dlopen(where.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    }
    *function = NULL;
    for (size_t index = 0; !hidden(name) && index < sizeof endings / sizeof *endings; index++) {
        char full[96];
        snprintf(full, sizeof full, "%s%s", name, endings[index]);
        if ((*function = dlsym(own, full)) != NULL) break;
    }
    if (status != NULL) *status = *function == NULL;
    return *function == NULL ? NOT_FOUND : 0;
}

EXPORTED CUresult cuGetProcAddress(const char *name, void **function, int version, uint64_t flags) {
    return cuGetProcAddress_v2(name, function, version, flags, NULL);
}

EXPORTED CUresult cuDeviceGetCount(int *count) {
    struct answer answer;
    CUresult code = ready();
    if (!code && !(code = tell("cuDeviceGetCount", NULL, &answer))) *count = (int)answer.results[0];
    return code;
}

EXPORTED CUresult cuDeviceGet(CUdevice *device, int ordinal) {
    CUresult code = ready();
    if (!code && !(code = tell("cuDeviceGet", ARGUMENTS(ordinal), NULL))) *device = ordinal;
    return code;
}

EXPORTED CUresult cuDeviceGetName(char *name, int length, CUdevice device) {
    struct answer answer;
    CUresult code = ready();
    if (code || length < 1) return code ? code : INVALID_VALUE;
    code = forward("cuDeviceGetName", ARGUMENTS(device), NULL, 0, &answer, name, length - 1,
                   NO_DEVICE);
    if (!code) name[answer.length < (uint64_t)length ? answer.length : (uint64_t)length - 1] = 0;
    return code;
}

EXPORTED CUresult cuDeviceGetUuid_v2(void *uuid, CUdevice device) {
    CUresult code = ready();
    if (code) return code;
    return forward("cuDeviceGetUuid", ARGUMENTS(device), NULL, 0, NULL, uuid, 16, NO_DEVICE);
}

EXPORTED CUresult cuDeviceGetUuid(void *uuid, CUdevice device) {
    return cuDeviceGetUuid_v2(uuid, device);
}

EXPORTED CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device) {
    struct answer answer;
    CUresult code = ready();
    if (!code && !(code = tell("cuDeviceTotalMem", ARGUMENTS(device), &answer)))
        *bytes = answer.results[0];
    return code;
}

EXPORTED CUresult cuDeviceGetAttribute(int *value, int attribute, CUdevice device) {
    struct answer answer;
    CUresult code = ready();
    if (!code && !(code = tell("cuDeviceGetAttribute", ARGUMENTS(device, attribute), &answer)))
        *value = (int)answer.results[0];
    return code;
}

EXPORTED CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
    CUresult code = ready();
    if (!code && !(code = tell("cuDevicePrimaryCtxRetain", ARGUMENTS(device), NULL)))
        *context = FIRST_CONTEXT + device;
    return code;
}

EXPORTED CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
    CUresult code = ready();
    return code ? code : tell("cuDevicePrimaryCtxRelease", ARGUMENTS(device), NULL);
}

EXPORTED CUresult cuCtxSetCurrent(CUcontext context) {
    CUresult code = ready();
    if (code) return code;
    if (!depth) depth = 1;
    contexts[depth - 1] = context;
    return 0;
}

EXPORTED CUresult cuCtxGetCurrent(CUcontext *context) {
    *context = depth ? contexts[depth - 1] : 0;
    return ready();
}

EXPORTED CUresult cuCtxPushCurrent_v2(CUcontext context) {
    CUresult code = ready();
    if (code || depth == DEEPEST) return code ? code : INVALID_VALUE;
    contexts[depth++] = context;
    return 0;
}

EXPORTED CUresult cuCtxPopCurrent_v2(CUcontext *context) {
    CUresult code = ready();
    if (code || !depth) return code ? code : INVALID_CONTEXT;
    depth--;
    if (context != NULL) *context = contexts[depth];
    return 0;
}

EXPORTED CUresult cuCtxGetDevice(CUdevice *device) {
    uint64_t card;
    CUresult code = current(&card);
    if (!code) *device = (CUdevice)card;
    return code;
}

EXPORTED CUresult cuCtxSynchronize(void) { return call("cuCtxSynchronize", 0, 0, NULL); }

EXPORTED CUresult cuModuleLoadData(void **module, const void *image) {
    uint64_t card;
    *module = (void *)image;
    return current(&card);
}

EXPORTED CUresult cuModuleGetFunction(void **function, void *module, const char *name) {
    uint64_t card;
    (void)name;
    *function = module;
    return current(&card);
}

EXPORTED CUresult cuModuleUnload(void *module) {
    uint64_t card;
    (void)module;
    return current(&card);
}

/* Every kernel runs for as many nanoseconds as its first parameter says. */
EXPORTED CUresult cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
                                 unsigned by, unsigned bz, unsigned shared, void *stream,
                                 void **parameters, void **extra) {
    (void)function, (void)gx, (void)gy, (void)gz, (void)bx, (void)by, (void)bz;
    (void)shared, (void)stream, (void)extra;
    if (parameters == NULL || parameters[0] == NULL) return INVALID_VALUE;
    return call("cuLaunchKernel", *(uint64_t *)parameters[0], 0, NULL);
}

EXPORTED CUresult cuMemGetInfo_v2(size_t *free_bytes, size_t *total_bytes) {
    struct answer answer;
    CUresult code = call("cuMemGetInfo", 0, 0, &answer);
    *free_bytes = answer.results[0];
    *total_bytes = answer.results[1];
    return code;
}

EXPORTED CUresult cuMemAlloc_v2(CUdeviceptr *pointer, size_t size) {
    struct answer answer;
    CUresult code = call("cuMemAlloc", size, 0, &answer);
    *pointer = answer.results[0];
    return code;
}

EXPORTED CUresult cuMemAllocManaged(CUdeviceptr *pointer, size_t size, unsigned int flags) {
    struct answer answer;
    CUresult code = call("cuMemAllocManaged", size, flags, &answer);
    *pointer = answer.results[0];
    return code;
}

EXPORTED CUresult cuMemFree_v2(CUdeviceptr pointer) { return call("cuMemFree", pointer, 0, NULL); }

static uint64_t least(uint64_t one, uint64_t other) { return one < other ? one : other; }

/* The kept bytes of `mibs` MiB from `from`, which is a multiple of a MiB. */
static CUresult read_kept(CUdeviceptr from, uint64_t mibs, char *buffer) {
    uint64_t card;
    CUresult code = current(&card);
    if (code) return code;
    return forward("cuMemcpyDtoH", ARGUMENTS(card, from, mibs), NULL, 0, NULL, buffer,
                   MOST_BYTES, NO_DEVICE);
}

EXPORTED CUresult cuMemcpyDtoH_v2(void *host, CUdeviceptr from, size_t size) {
    char *to = host, *buffer = malloc(MOST_BYTES);
    CUresult code = buffer == NULL ? OUT_OF_HOST_MEMORY : 0;
    while (!code && size) {
        uint64_t inside = from % MIB;
        uint64_t mibs = least((inside + size + MIB - 1) / MIB, MOST_BYTES / kept);
        code = read_kept(from - inside, mibs, buffer);
        for (uint64_t index = 0; !code && index < mibs && size; index++) {
            uint64_t length = least(MIB - inside, size), done = 0;
            while (done < length) {
                uint64_t place = (inside + done) % kept, piece = least(kept - place, length - done);
                memcpy(to + done, buffer + index * kept + place, piece);
                done += piece;
            }
            to += length, from += length, size -= length, inside = 0;
        }
    }
    free(buffer);
    return code;
}

/* Writes from `host`, or a word over and over; what is not kept of a MiB goes nowhere. */
static CUresult write_kept(CUdeviceptr to, const char *host, uint32_t word, size_t size) {
    uint64_t card;
    char *buffer = malloc(MOST_BYTES);
    CUresult code = buffer == NULL ? OUT_OF_HOST_MEMORY : current(&card);
    while (!code && size) {
        uint64_t filled = 0, begin = to / MIB * MIB, first = least(to % MIB, kept);
        do {
            uint64_t inside = to % MIB, length = least(MIB - inside, size);
            uint64_t piece = inside < kept ? least(kept - inside, length) : 0;
            if (host != NULL) memcpy(buffer + filled, host, piece);
            for (uint64_t at = 0; host == NULL && at < piece; at++)
                buffer[filled + at] = (char)(word >> (8 * ((inside + at) % sizeof word)));
            filled += piece, to += length, size -= length;
            if (host != NULL) host += length;
        } while (size && filled + kept <= MOST_BYTES);
        if (filled)
            code = forward("cuMemcpyHtoD", ARGUMENTS(card, begin, first), buffer, filled, NULL,
                           NULL, 0, NO_DEVICE);
    }
    free(buffer);
    return code;
}

EXPORTED CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void *host, size_t size) {
    return write_kept(to, host, 0, size);
}

EXPORTED CUresult cuMemsetD32_v2(CUdeviceptr to, unsigned int word, size_t count) {
    return write_kept(to, NULL, word, count * sizeof word);
}

EXPORTED CUresult cuMemsetD8_v2(CUdeviceptr to, unsigned char byte, size_t count) {
    return write_kept(to, NULL, 0x01010101u * byte, count);
}

struct copy_2d {
    size_t from_x, from_y;
    unsigned int from_kind;
    const char *from_host;
    CUdeviceptr from_device;
    void *from_array;
    size_t from_pitch;
    size_t to_x, to_y;
    unsigned int to_kind;
    char *to_host;
    CUdeviceptr to_device;
    void *to_array;
    size_t to_pitch, width, height;
};

static CUresult row_by_row(const struct copy_2d *copy) {
    CUresult code = 0;
    for (size_t row = 0; !code && row < copy->height; row++) {
        size_t from = copy->from_x + (copy->from_y + row) * copy->from_pitch;
        size_t to = copy->to_x + (copy->to_y + row) * copy->to_pitch;
        if (copy->to_kind == 1)
            code = cuMemcpyDtoH_v2(copy->to_host + to, copy->from_device + from, copy->width);
        else
            code = cuMemcpyHtoD_v2(copy->to_device + to, copy->from_host + from, copy->width);
    }
    return code;
}

/* Exactly what is kept of each MiB, between a card and a host buffer without gaps: many at once. */
EXPORTED CUresult cuMemcpy2D_v2(const struct copy_2d *copy) {
    int out = copy->to_kind == 1;
    CUdeviceptr device = out ? copy->from_device : copy->to_device;
    size_t card_pitch = out ? copy->from_pitch : copy->to_pitch;
    size_t host_pitch = out ? copy->to_pitch : copy->from_pitch;
    size_t offsets = copy->from_x | copy->from_y | copy->to_x | copy->to_y;
    if (copy->from_kind + copy->to_kind != 3) return INVALID_VALUE;
    if (card_pitch != MIB || device % MIB || offsets || copy->width != kept || host_pitch != kept)
        return row_by_row(copy);
    CUresult code = 0;
    char *buffer = malloc(MOST_BYTES);
    uint64_t card, most = MOST_BYTES / kept;
    code = buffer == NULL ? OUT_OF_HOST_MEMORY : current(&card);
    for (size_t row = 0; !code && row < copy->height; row += most) {
        uint64_t mibs = least(most, copy->height - row);
        if (out) {
            code = read_kept(device + row * MIB, mibs, buffer);
            if (!code) memcpy(copy->to_host + row * kept, buffer, mibs * kept);
        } else {
            code = forward("cuMemcpyHtoD", ARGUMENTS(card, device + row * MIB, 0),
                           copy->from_host + row * kept, mibs * kept, NULL, NULL, 0, NO_DEVICE);
        }
    }
    free(buffer);
    return code;
}

EXPORTED CUresult cuMemAllocHost_v2(void **pointer, size_t size) {
    *pointer = malloc(size);
    return *pointer == NULL ? OUT_OF_HOST_MEMORY : ready();
}

EXPORTED CUresult cuMemFreeHost(void *pointer) {
    free(pointer);
    return ready();
}

/* The mark by which memory that is shared by CUDA IPC is seen in /proc/PID/maps. */
static void mark_shared(void) {
    static pid_t marked;
    char name[64];
    if (marked == getpid()) return;
    snprintf(name, sizeof name, "/dev/shm/cuda.shm.%x.%x.1", getuid(), getpid());
    int descriptor = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (descriptor < 0) return;
    if (!ftruncate(descriptor, sysconf(_SC_PAGESIZE)))
        mmap(NULL, sysconf(_SC_PAGESIZE), PROT_READ, MAP_SHARED, descriptor, 0);
    unlink(name);
    close(descriptor);
    marked = getpid();
}

struct shared_handle {
    char text[64];
};

EXPORTED CUresult cuIpcGetMemHandle(struct shared_handle *handle, CUdeviceptr pointer) {
    uint64_t card;
    CUresult code = current(&card);
    if (code) return code;
    mark_shared();
    memset(handle, 0, sizeof *handle);
    return forward("cuIpcGetMemHandle", ARGUMENTS(card, pointer), NULL, 0, NULL, handle->text,
                   sizeof handle->text, NO_DEVICE);
}

EXPORTED CUresult cuIpcOpenMemHandle_v2(CUdeviceptr *pointer, struct shared_handle handle,
                                        unsigned int flags) {
    uint64_t card;
    struct answer answer;
    CUresult code = current(&card);
    (void)flags;
    if (code) return code;
    mark_shared();
    code = forward("cuIpcOpenMemHandle", ARGUMENTS(card), handle.text,
                   strnlen(handle.text, sizeof handle.text), &answer, NULL, 0, NO_DEVICE);
    *pointer = answer.results[0];
    return code;
}

EXPORTED CUresult cuIpcCloseMemHandle(CUdeviceptr pointer) {
    return call("cuIpcCloseMemHandle", pointer, 0, NULL);
}

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
