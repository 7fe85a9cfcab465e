#include "histogram.h"

// Below 64 each duration has a counter of its own; above, each power of two has 64.
static unsigned counter_of(uint64_t duration) {
  if (duration < HISTOGRAM_STEPS)
    return (unsigned) duration;
  unsigned shift = 57u - (unsigned) __builtin_clzll(duration);
  return (shift + 1u) * HISTOGRAM_STEPS + (unsigned) (duration >> shift) - HISTOGRAM_STEPS;
}

static uint64_t duration_of(unsigned counter) {
  if (counter < HISTOGRAM_STEPS)
    return counter;
  unsigned shift = counter / HISTOGRAM_STEPS - 1u;
  return (uint64_t) (counter % HISTOGRAM_STEPS + HISTOGRAM_STEPS) << shift;
}

void histogram_add(struct histogram *histogram, uint64_t duration) {
  histogram->counts[counter_of(duration)]++;
  histogram->total++;
  if (duration > histogram->longest)
    histogram->longest = duration;
}

uint64_t histogram_percentile(const struct histogram *histogram, double share) {
  uint64_t wanted = (uint64_t) ((double) histogram->total * share), seen = 0;
  for (unsigned counter = 0; counter < 64 * HISTOGRAM_STEPS && histogram->total; counter++) {
    seen += histogram->counts[counter];
    if (seen > wanted || seen == histogram->total)
      return duration_of(counter);
  }
  return 0;
}
