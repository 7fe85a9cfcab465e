// The load: publishers with so many commands in flight each, subscribers that must get every one of them, in order.
#ifndef LOADGEN_LOAD_H
#define LOADGEN_LOAD_H

#include "histogram.h"
#include "protocol.h"

#include <sys/types.h>

struct options {
  const struct protocol *protocol;
  uint16_t port;
  pid_t pid;        // of the broker, whose CPU time and memory are taken
  const char *key;  // TLS with this pre-shared key
  bool messages;    // MSG from device to device instead of PUB
  bool ping_pong;   // two devices answer each other
  bool own;         // publishers subscribe to what they publish
  bool retain;      // MQTT: publish with the retain flag
  bool check_only;  // publish nothing: the stored values must be those of one publish of each variable
  unsigned publishers;
  unsigned variables;    // of each publisher, which takes them in turn
  unsigned window;       // commands in flight of each publisher
  unsigned subscribers;  // each to every variable
  unsigned exact;        // subscribers that share the variables between them
  unsigned filters;      // subscribers that share the groups of variables between them, with one filter a group
  bool stalled;          // one more subscriber, which does not read
  unsigned value_bytes;
  unsigned count;   // most commands of each publisher in the measured phase; 0: as many as the time allows
  double warm_up;   // seconds
  double seconds;   // of the measured phase
  double patience;  // seconds without any progress after which all is given up
};

struct phase {
  uint64_t operations;  // publishes or messages, answered and delivered everywhere
  uint64_t deliveries;
  uint64_t wall_ns;
  uint64_t cpu_ns;           // the broker's
  uint64_t own_cpu_ns;       // the generator's
  struct histogram latency;  // nanoseconds from sending a command to the last of its answer and deliveries
};

struct result {
  struct phase connecting;  // of all but the publishers; operations are connections
  struct phase measured;
  uint64_t memory_before, memory_connected, memory_after;  // bytes; before: publishers alone
  uint64_t stored;                                         // stored values that were found right
  uint64_t stalled_got;                                    // deliveries that the stalled reader found waiting
  bool stalled_last;                                       // the last of them was the last publish
};

// Carries the load out and checks every answer and delivery. Ends the program where one is missing or wrong.
void load_run(const struct options *options, struct result *result);

#endif
