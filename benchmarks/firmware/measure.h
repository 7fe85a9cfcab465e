// Counts the instructions of a piece of code under callgrind, and takes its time elsewhere.
#pragma once

#include "count_mallocs.h"

#include <valgrind/callgrind.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <malloc.h>
#include <vector>

namespace measure {

constexpr int WARM_UP = 20;

inline int rounds() {
  static const int ROUNDS = atoi(getenv("MEASURE_ROUNDS"));
  return ROUNDS;
}

inline void require(bool condition, const char *what) {
  if (!condition) {
    fprintf(stderr, "does not hold: %s\n", what);
    abort();
  }
}

// Runs `counted` so many times, each time between `before` and `after`, which are not counted.
template<typename B, typename C, typename A> void run(const char *name, B &&before, C &&counted, A &&after) {
  std::vector<double> took;
  took.reserve(rounds());
  uint32_t mallocs = 0;
  for (int round = -WARM_UP; round < rounds(); round++) {
    before(round);
    if (round == 0)
      CALLGRIND_ZERO_STATS;
    const uint32_t mallocs_before = malloc_count;
    const auto begin = std::chrono::steady_clock::now();
    CALLGRIND_TOGGLE_COLLECT;
    counted(round);
    CALLGRIND_TOGGLE_COLLECT;
    const std::chrono::duration<double, std::nano> time = std::chrono::steady_clock::now() - begin;
    if (round >= 0) {
      mallocs += malloc_count - mallocs_before;
      took.push_back(time.count());
    }
    after(round);
  }
  CALLGRIND_DUMP_STATS_AT(name);
  std::nth_element(took.begin(), took.begin() + took.size() / 2, took.end());
  printf("CASE %s ns=%.0f mallocs=%.3f\n", name, took[took.size() / 2], static_cast<double>(mallocs) / rounds());
}

inline void nothing(int round) {}

inline size_t heap() { return mallinfo2().uordblks; }

// What the node has in use before anything is measured, less what does not count, and what measuring itself takes.
inline void begin(size_t not_counted = 0) {
  printf("HEAP %zu\n", heap() - not_counted);
  run("nothing", nothing, nothing, nothing);
}

inline void end() {
  printf("END\n");
  fflush(stdout);
  _Exit(0);
}

}  // namespace measure
