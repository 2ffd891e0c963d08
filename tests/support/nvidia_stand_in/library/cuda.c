/* libcuda.so.1, as far as the agent and the tests' programs call it: cards, contexts, kernels. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cuda.h"

#define INVALID_CONTEXT 201
#define NOT_FOUND 500
#define DEEPEST 16
#define FIRST_CONTEXT 0x1000

typedef int CUdevice;
typedef uintptr_t CUcontext;

uint64_t kept = MIB;
static pid_t begun_by;
static _Thread_local CUcontext contexts[DEEPEST];
static _Thread_local int depth;

CUresult tell(const char *symbol, const uint64_t *arguments, struct answer *answer) {
    return forward(symbol, arguments, NULL, 0, answer, NULL, 0, NO_DEVICE);
}

/* A child of a process that uses CUDA cannot use it. */
CUresult ready(void) { return begun_by == getpid() ? 0 : NOT_INITIALIZED; }

CUresult current(uint64_t *card) {
    CUresult code = ready();
    if (code) return code;
    if (!depth || !contexts[depth - 1]) return INVALID_CONTEXT;
    *card = contexts[depth - 1] - FIRST_CONTEXT;
    return 0;
}

CUresult call(const char *symbol, uint64_t one, uint64_t two, struct answer *answer) {
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
