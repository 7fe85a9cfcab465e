// Loads a broker on this machine, checks that all of it arrives, and prints what it cost as one line of JSON.
#include "common.h"
#include "load.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LONGEST_SECONDS 60.0

static const struct option names[] = {
    {"protocol", required_argument, NULL, 'P'},
    {"port", required_argument, NULL, 'p'},
    {"pid", required_argument, NULL, 'i'},
    {"key", required_argument, NULL, 'k'},
    {"messages", no_argument, NULL, 'm'},
    {"ping-pong", no_argument, NULL, 'g'},
    {"own", no_argument, NULL, 'o'},
    {"retain", no_argument, NULL, 'r'},
    {"check-only", no_argument, NULL, 'C'},
    {"publishers", required_argument, NULL, 'n'},
    {"variables", required_argument, NULL, 'v'},
    {"window", required_argument, NULL, 'w'},
    {"subscribers", required_argument, NULL, 's'},
    {"exact", required_argument, NULL, 'e'},
    {"filters", required_argument, NULL, 'f'},
    {"stalled", no_argument, NULL, 'S'},
    {"value-bytes", required_argument, NULL, 'b'},
    {"count", required_argument, NULL, 'c'},
    {"warm-up", required_argument, NULL, 'u'},
    {"seconds", required_argument, NULL, 't'},
    {"patience", required_argument, NULL, 'a'},
    {NULL, 0, NULL, 0},
};

static unsigned number(const char *text, unsigned least, unsigned most) {
  char *end;
  unsigned long value = strtoul(text, &end, 10);
  if (!*text || *end || value < least || value > most)
    fail("%s: must be %u to %u", text, least, most);
  return (unsigned) value;
}

static double seconds(const char *text) {
  char *end;
  double value = strtod(text, &end);
  if (!*text || *end || !(value >= 0 && value <= LONGEST_SECONDS))
    fail("%s: must be 0 to %.0f seconds", text, LONGEST_SECONDS);
  return value;
}

static void read_options(int argc, char **argv, struct options *options) {
  for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) {
    switch (option) {
      case 'P':
        options->protocol = protocol_named(optarg);
        break;
      case 'p':
        options->port = (uint16_t) number(optarg, 1, 65535);
        break;
      case 'i':
        options->pid = (pid_t) number(optarg, 1, 1u << 30);
        break;
      case 'k':
        options->key = optarg;
        break;
      case 'm':
        options->messages = true;
        break;
      case 'g':
        options->ping_pong = true;
        break;
      case 'o':
        options->own = true;
        break;
      case 'r':
        options->retain = true;
        break;
      case 'C':
        options->check_only = true;
        break;
      case 'n':
        options->publishers = number(optarg, 1, 5000);
        break;
      case 'v':
        options->variables = number(optarg, 1, 20000);
        break;
      case 'w':
        options->window = number(optarg, 1, 4096);
        break;
      case 's':
        options->subscribers = number(optarg, 0, 10000);
        break;
      case 'e':
        options->exact = number(optarg, 0, 1000);
        break;
      case 'f':
        options->filters = number(optarg, 0, 1000);
        break;
      case 'S':
        options->stalled = true;
        break;
      case 'b':
        options->value_bytes = number(optarg, 16, 4000);
        break;
      case 'c':
        options->count = number(optarg, 1, 10000000);
        break;
      case 'u':
        options->warm_up = seconds(optarg);
        break;
      case 't':
        options->seconds = seconds(optarg);
        break;
      case 'a':
        options->patience = seconds(optarg);
        break;
      default:
        exit(2);
    }
  }
  if (!options->protocol || !options->port || !options->pid)
    fail("--protocol, --port and --pid must be given");
  if (options->messages && (options->publishers != (options->ping_pong ? 2 : 1) || options->variables != 1))
    fail("--messages go from one device to another; --ping-pong is with --publishers 2");
  if ((options->exact || options->filters) && options->publishers != 1)
    fail("--exact and --filters are for one publisher");
  if (options->own && (options->subscribers || options->exact || options->filters || options->messages))
    fail("--own is for publishers with no other subscribers");
  if (options->ping_pong && (!options->messages || options->window != 1))
    fail("--ping-pong is for --messages with one in flight");
}

static void print_phase(const char *name, const struct phase *phase) {
  const struct histogram *latency = &phase->latency;
  printf(
      "\"%s\": {\"operations\": %llu, \"deliveries\": %llu, \"wall_ns\": %llu, \"cpu_ns\": %llu, \"own_cpu_ns\": %llu, "
      "\"p50_ns\": %llu, \"p99_ns\": %llu, \"longest_ns\": %llu}, ",
      name, (unsigned long long) phase->operations, (unsigned long long) phase->deliveries,
      (unsigned long long) phase->wall_ns, (unsigned long long) phase->cpu_ns, (unsigned long long) phase->own_cpu_ns,
      (unsigned long long) histogram_percentile(latency, 0.5), (unsigned long long) histogram_percentile(latency, 0.99),
      (unsigned long long) latency->longest);
}

int main(int argc, char **argv) {
  static struct result result;
  struct options options = {
      .publishers = 1, .variables = 1, .window = 1, .value_bytes = 16, .seconds = 1, .patience = 5};
  read_options(argc, argv, &options);
  signal(SIGPIPE, SIG_IGN);
  alarm((unsigned) (4 * LONGEST_SECONDS));
  load_run(&options, &result);
  printf("{");
  print_phase("connecting", &result.connecting);
  print_phase("measured", &result.measured);
  printf("\"memory_before\": %llu, \"memory_connected\": %llu, \"memory_after\": %llu, \"stored\": %llu, "
         "\"stalled_got\": %llu, \"stalled_last\": %s}\n",
         (unsigned long long) result.memory_before, (unsigned long long) result.memory_connected,
         (unsigned long long) result.memory_after, (unsigned long long) result.stored,
         (unsigned long long) result.stalled_got, result.stalled_last ? "true" : "false");
  return 0;
}
