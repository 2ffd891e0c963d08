/* libcuda.so.1: memory, copies, and memory that processes share. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cuda.h"

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
