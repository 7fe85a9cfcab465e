// What the broker's process has used so far, as the kernel counts it.
#ifndef LOADGEN_PROCESS_H
#define LOADGEN_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

// CPU time of all threads of the process, ended ones too, in nanoseconds: what /proc/<pid>/stat gives in ticks.
uint64_t process_cpu_ns(pid_t pid);

// Resident memory in bytes, counted page by page (/proc/<pid>/smaps_rollup).
uint64_t process_memory(pid_t pid);

#endif
