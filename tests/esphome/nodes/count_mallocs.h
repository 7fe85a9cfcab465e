// Counts every allocation of the program, on machines with glibc.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {
void *__libc_malloc(size_t size);                // NOLINT(bugprone-reserved-identifier)
void *__libc_calloc(size_t count, size_t size);  // NOLINT(bugprone-reserved-identifier)
void *__libc_realloc(void *at, size_t size);     // NOLINT(bugprone-reserved-identifier)

uint32_t malloc_count = 0;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

void *malloc(size_t size) {
  malloc_count++;
  return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
  malloc_count++;
  return __libc_calloc(count, size);
}

void *realloc(void *at, size_t size) {
  malloc_count++;
  return __libc_realloc(at, size);
}
}
