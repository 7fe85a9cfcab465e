#include "load.h"

#include "process.h"
#include "state.h"

#include <time.h>

static uint64_t own_cpu_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (uint64_t) time.tv_sec * NANOSECONDS + (uint64_t) time.tv_nsec;
}

static void begin_phase(struct load *load, struct phase *phase) {
  *phase = (struct phase){0};
  phase->cpu_ns = process_cpu_ns(load->options->pid);
  phase->own_cpu_ns = own_cpu_ns();
  phase->wall_ns = load->progress_ns = now_ns();
  load->phase = phase;
}

static void end_phase(struct load *load) {
  struct phase *phase = load->phase;
  phase->wall_ns = now_ns() - phase->wall_ns;
  phase->cpu_ns = process_cpu_ns(load->options->pid) - phase->cpu_ns;
  phase->own_cpu_ns = own_cpu_ns() - phase->own_cpu_ns;
}

// Publishes for so long, or so many commands of each publisher, and ends when all of it has arrived everywhere.
static void run_phase(struct load *load, struct phase *phase, double seconds, unsigned count) {
  begin_phase(load, phase);
  uint64_t end = phase->wall_ns + (uint64_t) (seconds * (double) NANOSECONDS);
  for (unsigned i = 0; i < load->options->publishers; i++) {
    load->publishers[i].limit = count ? load->publishers[i].sent + count : UINT32_MAX;
    may_send(load, i);
  }
  for (;;) {
    if (now_ns() < end)
      send_waiting(load);
    if (!load->in_flight)
      break;
    turn(load);
  }
  end_phase(load);
}

void load_run(const struct options *options, struct result *result) {
  static struct load load;
  static struct phase warm_up;
  prepare(&load, options);
  if (options->check_only) {
    begin_phase(&load, &result->measured);
    result->stored = check_stored(&load);
    end_phase(&load);
    return;
  }
  open_publishers(&load);
  result->memory_before = process_memory(options->pid);
  begin_phase(&load, &result->connecting);
  if (options->messages)
    open_receivers(&load);
  open_subscribers(&load);
  result->connecting.operations = load.connection_count - options->publishers;
  end_phase(&load);
  if (options->stalled)
    open_stalled(&load);
  result->memory_connected = process_memory(options->pid);
  if (options->warm_up > 0)
    run_phase(&load, &warm_up, options->warm_up, 0);
  run_phase(&load, &result->measured, options->seconds, options->count);
  result->memory_after = process_memory(options->pid);
  if (options->stalled)
    read_stalled(&load, result);
  if (!options->messages && (options->protocol->stores || options->retain))
    result->stored = check_stored(&load);
}
