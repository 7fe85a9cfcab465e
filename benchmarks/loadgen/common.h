// What every part of the load generator needs: a clock, a way to give up, and pieces of text that are not copied.
#ifndef LOADGEN_COMMON_H
#define LOADGEN_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NANOSECONDS 1000000000ull

struct text {
  const char *at;
  size_t length;
};

// Nanoseconds of a clock that never goes back.
uint64_t now_ns(void);

// Says on standard error what went wrong, in the words of printf, and ends the program with status 1.
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Zeroed memory; the program ends where there is none.
void *allocate(size_t count, size_t size);

#endif
