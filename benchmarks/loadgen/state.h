// What the parts of the load share: the clients, what each of them has sent, and what each must still get.
#ifndef LOADGEN_STATE_H
#define LOADGEN_STATE_H

#include "connection.h"
#include "load.h"

// One command in flight.
struct slot {
  uint64_t sent_ns;
  unsigned missing;  // its answer and its deliveries
  bool answered;
};

struct publisher {
  struct connection *connection;
  struct slot *slots;               // of command n: n % window
  uint32_t sent, oldest, answered;  // numbers of commands: next to send, oldest in flight, next answer
  uint32_t limit;                   // no more than this in the phase that runs
  unsigned turns;                   // ping-pong: how often it may send
  bool waiting;                     // is on the list of those who may be able to send
};

struct load {
  const struct options *options;
  const struct protocol *protocol;
  SSL_CTX *tls;
  int epoll;
  bool spin;
  size_t command_size;
  unsigned deliveries_each;
  struct connection *connections, *stalled, *checker;
  unsigned connection_count;
  struct publisher *publishers;
  unsigned *waiting;  // publishers that may be able to send
  unsigned waiting_count;
  char (*names)[NAME_SIZE];      // of variable v of publisher p: p * variables + v; for messages: the receiver
  char (*delivered)[NAME_SIZE];  // the names that deliveries carry
  uint32_t *expected;            // of each subscriber and variable: the number of the next publish
  unsigned unanswered, stored_missing;
  uint64_t in_flight, progress_ns;
  struct phase *phase;
  char *value;
};

// How many variables there are of all publishers.
size_t variable_count(const struct load *load);

// traffic.c: sending and checking.

// The publisher may have room for another command.
void may_send(struct load *load, unsigned publisher);

// Sends for all that have room.
void send_waiting(struct load *load);

// Waits for what comes next, and deals with it. Ends the program where nothing has come for too long.
void turn(struct load *load);

// How many commands a publisher has sent, here or, where the stored values are only checked, before.
uint32_t sent_by(const struct load *load, size_t publisher);

// The number of the last publish of a variable that was published.
uint32_t last_of(const struct load *load, size_t variable);

// Which publish of which publisher a value belongs to.
uint32_t read_value(const struct load *load, struct text value, unsigned *publisher);

// clients.c: who connects and subscribes.

void prepare(struct load *load, const struct options *options);
void open_publishers(struct load *load);

// Messages go from each device to the next one; with one sender, to a device that only listens.
void open_receivers(struct load *load);

// Subscribers to every variable, then those that share the variables, then those that share the groups.
void open_subscribers(struct load *load);

void open_stalled(struct load *load);

// Reads at last what waits for the stalled reader: in order, and its end tells whether the newest value was kept.
void read_stalled(struct load *load, struct result *result);

// Subscribes to every variable that was published; returns how many there were, all with the right value.
unsigned check_stored(struct load *load);

#endif
