// The languages that the generator speaks. Each turns commands into bytes and bytes into events, and does nothing else.
#ifndef LOADGEN_PROTOCOL_H
#define LOADGEN_PROTOCOL_H

#include "common.h"

// Longest name of a variable or device, and the room that any command needs beside its value.
#define NAME_SIZE 48
#define COMMAND_ROOM 160
#define PACKETS 65000u

enum command { COMMAND_PUBLISH, COMMAND_MESSAGE };

enum event_kind {
  EVENT_NOTHING,   // of no concern
  EVENT_ANSWER,    // the command was carried out
  EVENT_REFUSED,   // it was not
  EVENT_DELIVERY,  // a value that this client is to get
  EVENT_ECHO,      // a command as somebody sent it: the answer for him, a delivery for all others
  EVENT_ALIVE,     // the broker asks whether we live
};

struct event {
  enum event_kind kind;
  bool numbered;    // the answer says to which command it belongs
  unsigned packet;  // that command's number, 1 to PACKETS
  struct text name;
  struct text value;
};

struct protocol {
  const char *name;
  bool stores;             // every publish is kept, and sent to those who subscribe later
  bool message_by_sender;  // a delivered message names its sender, not its receiver

  // Each writes one command to out, which has COMMAND_ROOM bytes (and those of the value), and returns its size.
  size_t (*identify)(char *out, const char *id);
  size_t (*subscribe)(char *out, unsigned packet, const char *filter);
  size_t (*receive_messages)(char *out, unsigned packet, const char *id);  // 0: nothing needs to be said
  size_t (*publish)(char *out, enum command command, unsigned packet, bool retain, const char *name, struct text value);
  size_t (*alive)(char *out);

  // Reads the first message of the bytes; returns its size, 0 where it is not whole yet.
  size_t (*decode)(const char *bytes, size_t length, struct event *event);
};

// The protocol of that name; the program ends where there is none.
const struct protocol *protocol_named(const char *name);

extern const struct protocol protocol_textmq, protocol_echo, protocol_mqtt;

#endif
