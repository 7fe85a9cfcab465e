// Durations, counted in steps of 1/64 of their size: percentiles to within 1.6 %, in little memory.
#ifndef LOADGEN_HISTOGRAM_H
#define LOADGEN_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEPS 64u

struct histogram {
  uint64_t counts[64 * HISTOGRAM_STEPS];
  uint64_t total;
  uint64_t longest;
};

void histogram_add(struct histogram *histogram, uint64_t duration);

// The duration that the given share (0 to 1) of all that were added does not exceed; 0 where none was added.
uint64_t histogram_percentile(const struct histogram *histogram, double share);

#endif
