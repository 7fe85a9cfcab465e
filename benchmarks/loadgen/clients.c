#include "state.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#define GROUP 100u       // variables that one filter matches
#define SETUP_BATCH 64u  // connections, or commands of one connection, without an answer during the set-up
#define STALLED_SILENCE_MS 1000

static void await_answers(struct load *load, unsigned most) {
  while (load->unanswered > most)
    turn(load);
}

static void expect_answer(struct load *load, struct connection *connection, size_t size) {
  connection_wrote(connection, size);
  connection->unanswered++;
  load->unanswered++;
}

static struct connection *open_connection(struct load *load, const char *role, unsigned number) {
  struct connection *connection = &load->connections[load->connection_count++];
  size_t commands = load->options->window > SETUP_BATCH ? load->options->window : SETUP_BATCH;
  snprintf(connection->id, sizeof connection->id, "%s-%u", role, number);
  connection_open(connection, load->options->port, load->tls, (commands + 4) * load->command_size, load->epoll);
  connection_watch(connection);
  expect_answer(load, connection,
                load->protocol->identify(connection_command(connection, COMMAND_ROOM), connection->id));
  connection_flush(connection);
  await_answers(load, SETUP_BATCH);
  return connection;
}

static void subscribe(struct load *load, struct connection *connection, const char *filter) {
  char *out = connection_command(connection, COMMAND_ROOM);
  expect_answer(load, connection, load->protocol->subscribe(out, ++connection->packet, filter));
  if (connection->unanswered < SETUP_BATCH)
    return;
  connection_flush(connection);
  await_answers(load, 0);
}

static void become_subscriber(struct load *load, struct connection *connection, unsigned number) {
  connection->subscriber = (int) number;
  uint32_t *expected = &load->expected[(size_t) number * variable_count(load)];
  for (size_t i = 0; i < variable_count(load); i++)
    expected[i] = (uint32_t) (i % load->options->variables);
}

void open_publishers(struct load *load) {
  const struct options *options = load->options;
  for (unsigned i = 0; i < options->publishers; i++) {
    struct publisher *publisher = &load->publishers[i];
    struct connection *connection = publisher->connection = open_connection(load, "publisher", i);
    connection->publisher = (int) i;
    publisher->slots = allocate(options->window, sizeof *publisher->slots);
    if (options->own) {
      become_subscriber(load, connection, i);
      connection->subscribes = true;
      for (unsigned v = 0; v < options->variables; v++)
        subscribe(load, connection, load->names[i * options->variables + v]);
    }
    connection_flush(connection);
  }
  await_answers(load, 0);
  if (options->ping_pong)
    load->publishers[0].turns = 1;
}

void open_receivers(struct load *load) {
  for (unsigned i = 0; i < 2; i++) {
    struct connection *connection =
        i < load->options->publishers ? load->publishers[i].connection : open_connection(load, "publisher", i);
    become_subscriber(load, connection, i);
    char *out = connection_command(connection, COMMAND_ROOM);
    size_t size = load->protocol->receive_messages(out, ++connection->packet, connection->id);
    if (size)
      expect_answer(load, connection, size);
    connection_flush(connection);
  }
  await_answers(load, 0);
}

void open_subscribers(struct load *load) {
  const struct options *options = load->options;
  unsigned groups = (options->variables + GROUP - 1) / GROUP, number = 0;
  for (unsigned i = 0; i < options->subscribers; i++) {
    struct connection *connection = open_connection(load, "subscriber", i);
    become_subscriber(load, connection, number++);
    for (size_t v = 0; v < variable_count(load); v++)
      subscribe(load, connection, load->names[v]);
    connection_flush(connection);
  }
  for (unsigned i = 0; i < options->exact; i++) {
    struct connection *connection = open_connection(load, "exact", i);
    become_subscriber(load, connection, number++);
    for (unsigned v = i; v < options->variables; v += options->exact)
      subscribe(load, connection, load->names[v]);
    connection_flush(connection);
  }
  for (unsigned i = 0; i < options->filters; i++) {
    struct connection *connection = open_connection(load, "filter", i);
    become_subscriber(load, connection, number++);
    for (unsigned group = i; group < groups; group += options->filters) {
      char filter[NAME_SIZE];
      snprintf(filter, sizeof filter, "bench/0/%u/+", group);
      subscribe(load, connection, filter);
    }
    connection_flush(connection);
  }
  await_answers(load, 0);
}

void open_stalled(struct load *load) {
  load->stalled = open_connection(load, "stalled", 0);
  subscribe(load, load->stalled, load->names[0]);
  connection_flush(load->stalled);
  await_answers(load, 0);
  epoll_ctl(load->epoll, EPOLL_CTL_DEL, load->stalled->fd, NULL);
}

void read_stalled(struct load *load, struct result *result) {
  struct connection *connection = load->stalled;
  uint32_t sequence = 0;
  struct pollfd socket = {.fd = connection->fd, .events = POLLIN};
  while (!result->stalled_last && poll(&socket, 1, STALLED_SILENCE_MS) > 0) {
    size_t taken = 0, size;
    struct event message;
    connection_read(connection);
    while ((size = load->protocol->decode(connection->in + taken, connection->in_length - taken, &message))) {
      taken += size;
      if (message.kind != EVENT_DELIVERY)
        continue;
      unsigned publisher;
      uint32_t next = read_value(load, message.value, &publisher);
      if (result->stalled_got++ && next <= sequence)
        fail("the stalled reader got publish %u after %u", next, sequence);
      sequence = next;
      result->stalled_last = sequence == last_of(load, 0);
    }
    connection_took(connection, taken);
  }
}

unsigned check_stored(struct load *load) {
  unsigned stored = 0;
  load->checker = open_connection(load, "checker", 0);
  for (size_t variable = 0; variable < variable_count(load); variable++) {
    size_t publisher = variable / load->options->variables;
    if (variable % load->options->variables >= sent_by(load, publisher))
      continue;
    stored++;
    load->stored_missing++;
    subscribe(load, load->checker, load->names[variable]);
  }
  connection_flush(load->checker);
  while (load->unanswered || load->stored_missing)
    turn(load);
  return stored;
}

static void make_names(struct load *load) {
  const struct options *options = load->options;
  load->names = allocate(variable_count(load), sizeof *load->names);
  load->delivered = options->messages ? allocate(variable_count(load), sizeof *load->names) : load->names;
  for (unsigned p = 0; p < options->publishers; p++)
    for (unsigned v = 0; v < options->variables; v++) {
      size_t i = (size_t) p * options->variables + v;
      if (options->messages) {
        snprintf(load->names[i], NAME_SIZE, "publisher-%u", !p);
        snprintf(load->delivered[i], NAME_SIZE, "publisher-%u", load->protocol->message_by_sender ? p : !p);
      } else {
        snprintf(load->names[i], NAME_SIZE, "bench/%u/%u/%u", p, v / GROUP, v % GROUP);
      }
    }
}

void prepare(struct load *load, const struct options *options) {
  unsigned others = options->subscribers + options->exact + options->filters;
  unsigned subscribers = others + (options->messages ? 2 : 0) + (options->own ? options->publishers : 0);
  *load = (struct load){.options = options, .protocol = options->protocol};
  load->tls = options->key ? connection_tls(options->key) : NULL;
  load->epoll = epoll_create1(0);
  load->spin = options->ping_pong || options->publishers * options->window == 1;
  load->command_size = COMMAND_ROOM + options->value_bytes;
  load->deliveries_each =
      options->messages || options->own ? 1 : options->subscribers + !!options->exact + !!options->filters;
  load->connections = allocate(options->publishers + others + 4, sizeof *load->connections);
  load->publishers = allocate(options->publishers, sizeof *load->publishers);
  load->waiting = allocate(options->publishers, sizeof *load->waiting);
  load->expected = allocate(subscribers * variable_count(load), sizeof *load->expected);
  load->value = allocate(options->value_bytes + 1, 1);
  memset(load->value, 'x', options->value_bytes);
  load->value[5] = '-';
  load->progress_ns = now_ns();
  make_names(load);
}
