/* libnvidia-ml.so.1, as far as the agent and what it builds on ask. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "forwarding.h"

#define EXPORTED __attribute__((visibility("default")))
#define INVALID_ARGUMENT 2
#define INSUFFICIENT_SIZE 7
#define DRIVER_NOT_LOADED 9

typedef int nvmlReturn_t;
typedef uintptr_t nvmlDevice_t;

static nvmlReturn_t tell(const char *symbol, const uint64_t *arguments, struct answer *answer) {
    return forward(symbol, arguments, NULL, 0, answer, NULL, 0, DRIVER_NOT_LOADED);
}

static nvmlReturn_t text(const char *symbol, nvmlDevice_t device, char *buffer, unsigned length) {
    struct answer answer;
    if (!length) return INVALID_ARGUMENT;
    nvmlReturn_t code = forward(symbol, ARGUMENTS(device), NULL, 0, &answer, buffer, length - 1,
                                DRIVER_NOT_LOADED);
    if (code) return code;
    if (answer.length >= length) return INSUFFICIENT_SIZE;
    buffer[answer.length] = 0;
    return 0;
}

/* One number of a card. */
#define NUMBER(name, type)                                          \
    EXPORTED nvmlReturn_t name(nvmlDevice_t device, type *value) {  \
        struct answer answer;                                       \
        nvmlReturn_t code = tell(#name, ARGUMENTS(device), &answer); \
        if (!code) *value = (type)answer.results[0];                \
        return code;                                                \
    }

/* Two numbers of a card. */
#define PAIR(name)                                                                      \
    EXPORTED nvmlReturn_t name(nvmlDevice_t device, unsigned *one, unsigned *other) {   \
        struct answer answer;                                                           \
        nvmlReturn_t code = tell(#name, ARGUMENTS(device), &answer);                    \
        if (!code) *one = (unsigned)answer.results[0], *other = (unsigned)answer.results[1]; \
        return code;                                                                    \
    }

/* Something to set on a card. */
#define SETTING(name)                                                     \
    EXPORTED nvmlReturn_t name(nvmlDevice_t device, unsigned value) {     \
        return tell(#name, ARGUMENTS(device, value), NULL);               \
    }

#define TEXT(name)                                                                    \
    EXPORTED nvmlReturn_t name(nvmlDevice_t device, char *buffer, unsigned length) {  \
        return text(#name, device, buffer, length);                                   \
    }

/* A list whose length is asked for first, with none or too little room for it. */
#define LIST(name, size)                                                                      \
    EXPORTED nvmlReturn_t name(nvmlDevice_t device, unsigned *count, void *entries) {         \
        return list(#name, device, 0, count, entries, size);                                  \
    }

static nvmlReturn_t list(const char *symbol, nvmlDevice_t device, uint64_t argument,
                         unsigned *count, void *entries, size_t size) {
    struct answer answer;
    unsigned room = entries == NULL ? 0 : *count;
    nvmlReturn_t code = forward(symbol, ARGUMENTS(device, argument, room), NULL, 0, &answer,
                                entries, room * size, DRIVER_NOT_LOADED);
    if (!code || code == INSUFFICIENT_SIZE) *count = (unsigned)answer.results[0];
    return code;
}

EXPORTED nvmlReturn_t nvmlInitWithFlags(unsigned flags) {
    return tell("nvmlInit", ARGUMENTS(flags), NULL);
}

EXPORTED nvmlReturn_t nvmlInit_v2(void) { return nvmlInitWithFlags(0); }

EXPORTED nvmlReturn_t nvmlShutdown(void) { return tell("nvmlShutdown", NULL, NULL); }

EXPORTED const char *nvmlErrorString(nvmlReturn_t code) {
    static _Thread_local char words[64];
    snprintf(words, sizeof words, "error %d of the stand-in for NVML", code);
    return words;
}

EXPORTED nvmlReturn_t nvmlSystemGetDriverVersion(char *buffer, unsigned length) {
    return text("nvmlSystemGetDriverVersion", 0, buffer, length);
}

EXPORTED nvmlReturn_t nvmlSystemGetNVMLVersion(char *buffer, unsigned length) {
    return text("nvmlSystemGetNVMLVersion", 0, buffer, length);
}

EXPORTED nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int *version) {
    struct answer answer;
    nvmlReturn_t code = tell("nvmlSystemGetCudaDriverVersion", NULL, &answer);
    *version = (int)answer.results[0];
    return code;
}

EXPORTED nvmlReturn_t nvmlSystemGetCudaDriverVersion(int *version) {
    return nvmlSystemGetCudaDriverVersion_v2(version);
}

EXPORTED nvmlReturn_t nvmlDeviceGetCount_v2(unsigned *count) {
    struct answer answer;
    nvmlReturn_t code = tell("nvmlDeviceGetCount", NULL, &answer);
    *count = (unsigned)answer.results[0];
    return code;
}

EXPORTED nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned index, nvmlDevice_t *device) {
    struct answer answer;
    nvmlReturn_t code = tell("nvmlDeviceGetHandleByIndex", ARGUMENTS(index), &answer);
    *device = answer.results[0];
    return code;
}

EXPORTED nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, int sensor, unsigned *celsius) {
    struct answer answer;
    nvmlReturn_t code = tell("nvmlDeviceGetTemperature", ARGUMENTS(device, (uint64_t)sensor), &answer);
    if (!code) *celsius = (unsigned)answer.results[0];
    return code;
}

EXPORTED nvmlReturn_t nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *device) {
    struct answer answer;
    nvmlReturn_t code = forward("nvmlDeviceGetHandleByUUID", NULL, uuid, strlen(uuid), &answer,
                                NULL, 0, DRIVER_NOT_LOADED);
    *device = answer.results[0];
    return code;
}

TEXT(nvmlDeviceGetUUID)
TEXT(nvmlDeviceGetName)
NUMBER(nvmlDeviceGetIndex, unsigned)
NUMBER(nvmlDeviceGetMinorNumber, unsigned)
NUMBER(nvmlDeviceGetTotalEnergyConsumption, unsigned long long)
NUMBER(nvmlDeviceGetPowerUsage, unsigned)
NUMBER(nvmlDeviceGetComputeMode, unsigned)
NUMBER(nvmlDeviceGetPersistenceMode, unsigned)
NUMBER(nvmlDeviceGetMaxMigDeviceCount, unsigned)
NUMBER(nvmlDeviceGetSupportedEventTypes, unsigned long long)
PAIR(nvmlDeviceGetMigMode)
PAIR(nvmlDeviceGetCudaComputeCapability)
PAIR(nvmlDeviceGetEccMode)
SETTING(nvmlDeviceSetComputeMode)
SETTING(nvmlDeviceSetPersistenceMode)
LIST(nvmlDeviceGetComputeRunningProcesses_v2, 24)
LIST(nvmlDeviceGetComputeRunningProcesses_v3, 24)
LIST(nvmlDeviceGetGraphicsRunningProcesses_v2, 24)
LIST(nvmlDeviceGetGraphicsRunningProcesses_v3, 24)
LIST(nvmlDeviceGetMPSComputeRunningProcesses_v2, 24)
LIST(nvmlDeviceGetMPSComputeRunningProcesses_v3, 24)

EXPORTED nvmlReturn_t nvmlDeviceGetProcessUtilization(nvmlDevice_t device, void *samples,
                                                      unsigned *count,
                                                      unsigned long long since_us) {
    return list("nvmlDeviceGetProcessUtilization", device, since_us, count, samples, 32);
}

EXPORTED nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, unsigned long long *memory) {
    struct answer answer;
    nvmlReturn_t code = tell("nvmlDeviceGetMemoryInfo", ARGUMENTS(device), &answer);
    for (int index = 0; !code && index < 3; index++) memory[index] = answer.results[index];
    return code;
}

struct utilisation {
    unsigned card, memory;
};

EXPORTED nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, struct utilisation *rates) {
    struct answer answer;
    nvmlReturn_t code = tell("nvmlDeviceGetUtilizationRates", ARGUMENTS(device), &answer);
    if (code) return code;
    rates->card = (unsigned)answer.results[0];
    rates->memory = (unsigned)answer.results[1];
    return 0;
}

struct memory_v2 {
    unsigned version;
    unsigned long long total, reserved, free, used;
};

EXPORTED nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, struct memory_v2 *memory) {
    struct answer answer;
    nvmlReturn_t code = tell("nvmlDeviceGetMemoryInfo", ARGUMENTS(device), &answer);
    if (code) return code;
    memory->total = answer.results[0];
    memory->free = answer.results[1];
    memory->used = answer.results[2];
    memory->reserved = 0;
    return 0;
}

struct pci_info {
    char legacy_bus_id[16];
    unsigned domain, bus, device, device_id, subsystem_id;
    char bus_id[32];
};

EXPORTED nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, struct pci_info *pci) {
    struct answer answer;
    nvmlReturn_t code = tell("nvmlDeviceGetPciInfo", ARGUMENTS(device), &answer);
    if (code) return code;
    memset(pci, 0, sizeof *pci);
    pci->bus = (unsigned)answer.results[0];
    snprintf(pci->legacy_bus_id, sizeof pci->legacy_bus_id, "0000:%02X:00.0", pci->bus & 0xFF);
    snprintf(pci->bus_id, sizeof pci->bus_id, "00000000:%02X:00.0", pci->bus & 0xFF);
    return 0;
}

EXPORTED nvmlReturn_t nvmlEventSetCreate(uintptr_t *set) {
    struct answer answer;
    nvmlReturn_t code = tell("nvmlEventSetCreate", NULL, &answer);
    *set = answer.results[0];
    return code;
}

EXPORTED nvmlReturn_t nvmlEventSetFree(uintptr_t set) {
    return tell("nvmlEventSetFree", ARGUMENTS(set), NULL);
}

EXPORTED nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t device, unsigned long long kinds,
                                               uintptr_t set) {
    return tell("nvmlDeviceRegisterEvents", ARGUMENTS(device, kinds, set), NULL);
}

struct event {
    nvmlDevice_t device;
    unsigned long long kind, data;
    unsigned gpu_instance, compute_instance;
};

EXPORTED nvmlReturn_t nvmlEventSetWait_v2(uintptr_t set, struct event *event, unsigned timeout_ms) {
    struct answer answer;
    nvmlReturn_t code = tell("nvmlEventSetWait", ARGUMENTS(set, timeout_ms), &answer);
    if (code) return code;
    event->device = answer.results[0];
    event->kind = answer.results[1];
    event->data = answer.results[2];
    event->gpu_instance = event->compute_instance = ~0u;
    return 0;
}
