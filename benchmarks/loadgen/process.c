#include "process.h"

#include "common.h"

#include <stdio.h>
#include <time.h>

uint64_t process_cpu_ns(pid_t pid) {
  clockid_t clock;
  struct timespec time;
  if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &time))
    fail("the broker's process %d has ended", (int) pid);
  return (uint64_t) time.tv_sec * NANOSECONDS + (uint64_t) time.tv_nsec;
}

uint64_t process_memory(pid_t pid) {
  char path[64], line[256];
  unsigned long kilobytes = 0;
  snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int) pid);
  FILE *file = fopen(path, "r");
  if (!file)
    fail("can't read %s", path);
  while (fgets(line, sizeof line, file) && sscanf(line, "Rss: %lu kB", &kilobytes) != 1)
    continue;
  fclose(file);
  return (uint64_t) kilobytes * 1024;
}
