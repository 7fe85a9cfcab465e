// TextMQ as it stands in docs/protocol.md, and the echo server, which hears the same lines and gives them back.
#include "protocol.h"

#include <stdio.h>
#include <string.h>

#define LITERAL(words) \
  (struct text) { words, sizeof words - 1 }

static size_t put(char *out, size_t at, struct text text) {
  memcpy(out + at, text.at, text.length);
  return at + text.length;
}

static size_t textmq_identify(char *out, const char *id) {
  return (size_t) snprintf(out, COMMAND_ROOM, "START | COMMAND=ID | ID=%s | END\n", id);
}

static size_t textmq_subscribe(char *out, unsigned packet, const char *filter) {
  (void) packet;
  return (size_t) snprintf(out, COMMAND_ROOM, "START | COMMAND=SUB | VARIABLE=%s | END\n", filter);
}

static size_t textmq_receive_messages(char *out, unsigned packet, const char *id) {
  (void) out, (void) packet, (void) id;
  return 0;
}

static size_t textmq_publish(char *out, enum command command, unsigned packet, bool retain, const char *name,
                             struct text value) {
  (void) packet, (void) retain;
  size_t at = 0;
  if (command == COMMAND_PUBLISH)
    at = put(out, at, LITERAL("START | COMMAND=PUB | VARIABLE="));
  else
    at = put(out, at, LITERAL("START | COMMAND=MSG | DEVICE="));
  at = put(out, at, (struct text){name, strlen(name)});
  at = put(out, at, LITERAL(" | VALUE="));
  at = put(out, at, value);
  return put(out, at, LITERAL(" | END\n"));
}

static size_t textmq_alive(char *out) { return put(out, 0, LITERAL("START | COMMAND=HELLO! | END\n")); }

static bool begins_with(struct text text, struct text start) {
  return text.length >= start.length && !memcmp(text.at, start.at, start.length);
}

// The parameter that begins with the key (written with its equals sign), or nothing.
static struct text parameter(struct text line, struct text key) {
  const char *at = memmem(line.at, line.length, key.at, key.length);
  if (!at)
    return (struct text){"", 0};
  at += key.length;
  size_t rest = line.length - (size_t) (at - line.at);
  const char *end = memmem(at, rest, " |", 2);
  return (struct text){at, end ? (size_t) (end - at) : rest};
}

static size_t decode_line(const char *bytes, size_t length, struct event *event, bool echo) {
  const char *end = memchr(bytes, '\n', length);
  if (!end)
    return 0;
  struct text line = {bytes, (size_t) (end - bytes)};
  size_t size = line.length + 1;
  *event = (struct event){.kind = EVENT_NOTHING};
  if (begins_with(line, LITERAL("START | COMMAND=OK | "))) {
    event->kind = EVENT_ANSWER;
    return size;
  }
  if (!begins_with(line, LITERAL("START | COMMAND=")))
    fail("not a message of TextMQ: %.*s", (int) line.length, line.at);
  struct text command = parameter(line, LITERAL("COMMAND="));
  struct text rest = {command.at + command.length, line.length - (size_t) (command.at + command.length - line.at)};
  if (begins_with(command, LITERAL("BAD"))) {
    event->kind = EVENT_REFUSED;
    event->value = line;
  } else if (begins_with(command, LITERAL("CLOSE"))) {
    fail("the broker closes the connection: %.*s", (int) line.length, line.at);
  } else if (begins_with(command, LITERAL("HELLO?"))) {
    event->kind = EVENT_ALIVE;
  } else if (echo && (begins_with(command, LITERAL("ID")) || begins_with(command, LITERAL("SUB")))) {
    event->kind = EVENT_ANSWER;
  } else if (begins_with(command, LITERAL("MSG"))) {
    event->kind = echo ? EVENT_ECHO : EVENT_DELIVERY;
    event->name = parameter(rest, LITERAL("DEVICE="));
    event->value = parameter(rest, LITERAL("VALUE="));
  } else if (begins_with(command, echo ? LITERAL("PUB") : LITERAL("SUB"))) {
    event->kind = echo ? EVENT_ECHO : EVENT_DELIVERY;
    event->name = parameter(rest, LITERAL("VARIABLE="));
    event->value = parameter(rest, LITERAL("VALUE="));
  }
  return size;
}

static size_t textmq_decode(const char *bytes, size_t length, struct event *event) {
  return decode_line(bytes, length, event, false);
}

// The echo server keeps no names: who wants to get what others send says SUB, and gets all.
static size_t echo_receive_messages(char *out, unsigned packet, const char *id) {
  return textmq_subscribe(out, packet, id);
}

static size_t echo_decode(const char *bytes, size_t length, struct event *event) {
  return decode_line(bytes, length, event, true);
}

const struct protocol protocol_textmq = {
    .name = "textmq",
    .stores = true,
    .message_by_sender = true,
    .identify = textmq_identify,
    .subscribe = textmq_subscribe,
    .receive_messages = textmq_receive_messages,
    .publish = textmq_publish,
    .alive = textmq_alive,
    .decode = textmq_decode,
};

const struct protocol protocol_echo = {
    .name = "echo",
    .identify = textmq_identify,
    .subscribe = textmq_subscribe,
    .receive_messages = echo_receive_messages,
    .publish = textmq_publish,
    .alive = textmq_alive,
    .decode = echo_decode,
};
