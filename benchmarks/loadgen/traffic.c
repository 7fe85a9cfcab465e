#include "state.h"

#include <string.h>
#include <sys/epoll.h>

#define VALUE_LENGTH 16u  // "ppppp-nnnnnnnnnn": the publisher and the number of its publish
#define EVENTS 512

size_t variable_count(const struct load *load) { return (size_t) load->options->publishers * load->options->variables; }

static void write_digits(char *at, unsigned digits, uint32_t number) {
  for (; digits; number /= 10)
    at[--digits] = (char) ('0' + number % 10);
}

static uint32_t read_digits(const char *at, unsigned digits) {
  uint32_t number = 0;
  for (unsigned i = 0; i < digits; i++) {
    if (at[i] < '0' || at[i] > '9')
      fail("a value that nobody published: %.*s", (int) VALUE_LENGTH, at);
    number = number * 10 + (uint32_t) (at[i] - '0');
  }
  return number;
}

uint32_t read_value(const struct load *load, struct text value, unsigned *publisher) {
  if (value.length != load->options->value_bytes || value.at[5] != '-')
    fail("a value that nobody published: %.*s", (int) value.length, value.at);
  *publisher = read_digits(value.at, 5);
  if (*publisher >= load->options->publishers)
    fail("a value that nobody published: %.*s", (int) value.length, value.at);
  return read_digits(value.at + 6, 10);
}

void may_send(struct load *load, unsigned number) {
  struct publisher *publisher = &load->publishers[number];
  if (!publisher->waiting) {
    publisher->waiting = true;
    load->waiting[load->waiting_count++] = number;
  }
}

static void send_commands(struct load *load, struct publisher *publisher, unsigned number) {
  const struct options *options = load->options;
  struct connection *connection = publisher->connection;
  uint64_t now = now_ns();
  publisher->waiting = false;
  write_digits(load->value, 5, number);
  while (publisher->sent - publisher->oldest < options->window && publisher->sent < publisher->limit &&
         (!options->ping_pong || publisher->turns)) {
    uint32_t sequence = publisher->sent++;
    write_digits(load->value + 6, 10, sequence);
    publisher->slots[sequence % options->window] = (struct slot){now, 1 + load->deliveries_each, false};
    connection_wrote(connection,
                     load->protocol->publish(connection_command(connection, load->command_size),
                                             options->messages ? COMMAND_MESSAGE : COMMAND_PUBLISH,
                                             1 + sequence % PACKETS, options->retain,
                                             load->names[number * options->variables + sequence % options->variables],
                                             (struct text){load->value, options->value_bytes}));
    load->in_flight++;
    if (options->ping_pong)
      publisher->turns--;
  }
  connection_flush(connection);
}

void send_waiting(struct load *load) {
  unsigned waiting = load->waiting_count;
  load->waiting_count = 0;
  for (unsigned i = 0; i < waiting; i++)
    send_commands(load, &load->publishers[load->waiting[i]], load->waiting[i]);
}

static void arrived(struct load *load, unsigned number, uint32_t sequence, uint64_t now) {
  struct publisher *publisher = &load->publishers[number];
  unsigned window = load->options->window;
  struct slot *slot = &publisher->slots[sequence % window];
  if (--slot->missing)
    return;
  load->in_flight--;
  load->phase->operations++;
  histogram_add(&load->phase->latency, now - slot->sent_ns);
  while (publisher->oldest < publisher->sent && !publisher->slots[publisher->oldest % window].missing)
    publisher->oldest++;
  may_send(load, number);
}

static void answer(struct load *load, unsigned number, const struct event *event, uint64_t now) {
  struct publisher *publisher = &load->publishers[number];
  uint32_t sequence = publisher->answered;
  if (event->numbered)
    sequence = publisher->oldest + (event->packet + PACKETS - 1 - publisher->oldest % PACKETS) % PACKETS;
  if (sequence - publisher->oldest >= publisher->sent - publisher->oldest)
    fail("an answer to nothing");
  struct slot *slot = &publisher->slots[sequence % load->options->window];
  if (slot->answered)
    fail("two answers to one command");
  slot->answered = true;
  publisher->answered++;
  arrived(load, number, sequence, now);
}

static bool same(struct text text, const char *name) {
  return text.length == strlen(name) && !memcmp(text.at, name, text.length);
}

static void delivery(struct load *load, const struct connection *connection, const struct event *event, uint64_t now) {
  const struct options *options = load->options;
  unsigned number;
  uint32_t sequence = read_value(load, event->value, &number);
  const struct publisher *publisher = &load->publishers[number];
  size_t variable = (size_t) number * options->variables + sequence % options->variables;
  uint32_t *expected = &load->expected[(size_t) connection->subscriber * variable_count(load) + variable];
  if (!same(event->name, load->delivered[variable]))
    fail("%s got %.*s as %.*s", connection->id, (int) event->value.length, event->value.at, (int) event->name.length,
         event->name.at);
  if (sequence != *expected)
    fail("%s got publish %u of %s where %u was next", connection->id, sequence, load->delivered[variable], *expected);
  if (sequence >= publisher->sent)
    fail("%s got what was not published yet", connection->id);
  *expected += options->variables;
  load->phase->deliveries++;
  arrived(load, number, sequence, now);
  if (options->ping_pong) {
    load->publishers[!number].turns++;
    may_send(load, !number);
  }
}

uint32_t sent_by(const struct load *load, size_t publisher) {
  return load->options->check_only ? load->options->variables : load->publishers[publisher].sent;
}

uint32_t last_of(const struct load *load, size_t variable) {
  uint32_t variables = load->options->variables, first = (uint32_t) (variable % variables);
  return first + (sent_by(load, variable / variables) - 1 - first) / variables * variables;
}

static void stored_value(struct load *load, const struct event *event) {
  unsigned number;
  uint32_t sequence = read_value(load, event->value, &number);
  size_t variable = (size_t) number * load->options->variables + sequence % load->options->variables;
  if (!same(event->name, load->names[variable]) || sequence != last_of(load, variable))
    fail("stored of %.*s is %.*s, where %u was the last", (int) event->name.length, event->name.at,
         (int) event->value.length, event->value.at, last_of(load, variable));
  load->stored_missing--;
}

static void handle(struct load *load, struct connection *connection, const struct event *event, uint64_t now) {
  unsigned publisher;
  switch (event->kind) {
    case EVENT_NOTHING:
      break;
    case EVENT_REFUSED:
      fail("%s was refused a command: %.*s", connection->id, (int) event->value.length, event->value.at);
    case EVENT_ALIVE:
      connection_wrote(connection, load->protocol->alive(connection_command(connection, COMMAND_ROOM)));
      connection_flush(connection);
      break;
    case EVENT_ANSWER:
      if (connection->unanswered) {
        connection->unanswered--;
        load->unanswered--;
      } else if (connection->publisher >= 0) {
        answer(load, (unsigned) connection->publisher, event, now);
      } else {
        fail("an answer to nothing");
      }
      break;
    case EVENT_ECHO:
      read_value(load, event->value, &publisher);
      if (load->publishers[publisher].connection == connection)
        answer(load, publisher, event, now);
      if (load->publishers[publisher].connection != connection || connection->subscribes)
        delivery(load, connection, event, now);
      break;
    case EVENT_DELIVERY:
      if (connection == load->checker)
        stored_value(load, event);
      else if (connection->subscriber >= 0)
        delivery(load, connection, event, now);
      else
        fail("%s got what it did not subscribe to", connection->id);
      break;
  }
}

static void read_events(struct load *load, struct connection *connection) {
  do {
    if (!connection_read(connection))
      return;
    uint64_t now = now_ns();
    size_t taken = 0, size;
    struct event event;
    while ((size = load->protocol->decode(connection->in + taken, connection->in_length - taken, &event))) {
      handle(load, connection, &event, now);
      taken += size;
    }
    if (taken)
      load->progress_ns = now;
    connection_took(connection, taken);
  } while (connection->ssl && SSL_has_pending(connection->ssl));
}

void turn(struct load *load) {
  struct epoll_event events[EVENTS];
  int count = epoll_wait(load->epoll, events, EVENTS, load->spin ? 0 : 10);
  for (int i = 0; i < count; i++) {
    struct connection *connection = events[i].data.ptr;
    if (events[i].events & EPOLLOUT)
      connection_flush(connection);
    if (events[i].events & ~(uint32_t) EPOLLOUT)
      read_events(load, connection);
  }
  if (now_ns() - load->progress_ns > (uint64_t) (load->options->patience * (double) NANOSECONDS))
    fail("stands still: %llu commands in flight, %u of the set-up unanswered, %u stored values missing",
         (unsigned long long) load->in_flight, load->unanswered, load->stored_missing);
}
