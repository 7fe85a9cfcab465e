// MQTT 3.1.1 (OASIS standard, 29 October 2014): publishes with QoS 1, takes deliveries with QoS 0.
#include "protocol.h"

#include <string.h>

enum packet_type {
  CONNECT = 0x10,
  CONNACK = 0x20,
  PUBLISH = 0x30,
  PUBACK = 0x40,
  SUBSCRIBE = 0x80,
  SUBACK = 0x90,
  PINGREQ = 0xC0,
};
#define QOS_1 0x02
#define RETAIN 0x01
static const char device_topics[] = "device/";

// Section 2.2.3: the size of what follows, seven bits a byte. Returns how many bytes it takes.
static size_t put_size(char *out, size_t size) {
  size_t at = 0;
  do {
    out[at++] = (char) ((size & 0x7F) | (size > 0x7F ? 0x80 : 0));
    size >>= 7;
  } while (size);
  return at;
}

static size_t put_number(char *out, size_t at, unsigned number) {
  out[at] = (char) (number >> 8);
  out[at + 1] = (char) number;
  return at + 2;
}

static size_t put_bytes(char *out, size_t at, const char *bytes, size_t length) {
  memcpy(out + at, bytes, length);
  return at + length;
}

// Section 3.1, with a clean session and no keep-alive.
static size_t mqtt_identify(char *out, const char *id) {
  static const char head[] = {0, 4, 'M', 'Q', 'T', 'T', 4, 0x02, 0, 0};
  size_t length = strlen(id);
  out[0] = CONNECT;
  size_t at = 1 + put_size(out + 1, sizeof head + 2 + length);
  at = put_bytes(out, at, head, sizeof head);
  at = put_number(out, at, (unsigned) length);
  return put_bytes(out, at, id, length);
}

static size_t subscribe_to(char *out, unsigned packet, const char *prefix, const char *filter) {
  size_t prefix_length = strlen(prefix), length = strlen(filter);
  out[0] = (char) (SUBSCRIBE | 0x02);
  size_t at = 1 + put_size(out + 1, 2 + 2 + prefix_length + length + 1);
  at = put_number(out, at, packet);
  at = put_number(out, at, (unsigned) (prefix_length + length));
  at = put_bytes(out, at, prefix, prefix_length);
  at = put_bytes(out, at, filter, length);
  out[at] = 0;
  return at + 1;
}

static size_t mqtt_subscribe(char *out, unsigned packet, const char *filter) {
  return subscribe_to(out, packet, "", filter);
}

static size_t mqtt_receive_messages(char *out, unsigned packet, const char *id) {
  return subscribe_to(out, packet, device_topics, id);
}

static size_t mqtt_publish(char *out, enum command command, unsigned packet, bool retain, const char *name,
                           struct text value) {
  size_t prefix = command == COMMAND_MESSAGE ? sizeof device_topics - 1 : 0, length = strlen(name);
  out[0] = (char) (PUBLISH | QOS_1 | (retain ? RETAIN : 0));
  size_t at = 1 + put_size(out + 1, 2 + prefix + length + 2 + value.length);
  at = put_number(out, at, (unsigned) (prefix + length));
  at = put_bytes(out, at, device_topics, prefix);
  at = put_bytes(out, at, name, length);
  at = put_number(out, at, packet);
  return put_bytes(out, at, value.at, value.length);
}

static size_t mqtt_alive(char *out) {
  out[0] = (char) PINGREQ;
  out[1] = 0;
  return 2;
}

static unsigned number_at(const char *bytes) {
  return (unsigned) (unsigned char) bytes[0] << 8 | (unsigned char) bytes[1];
}

static struct event read_publish(const char *body, size_t size, bool acknowledged) {
  size_t length = size < 2 ? 0 : number_at(body), head = 2 + length + (acknowledged ? 2 : 0);
  if (acknowledged || size < head)
    fail("not a delivery with QoS 0");
  struct text name = {body + 2, length};
  size_t prefix = sizeof device_topics - 1;
  if (length > prefix && !memcmp(name.at, device_topics, prefix))
    name = (struct text){name.at + prefix, length - prefix};
  return (struct event){.kind = EVENT_DELIVERY, .name = name, .value = {body + head, size - head}};
}

static size_t mqtt_decode(const char *bytes, size_t length, struct event *event) {
  size_t size = 0, at = 1;
  for (unsigned shift = 0;; shift += 7) {
    if (at >= length)
      return 0;
    if (shift > 21)
      fail("not a packet of MQTT");
    unsigned char byte = (unsigned char) bytes[at++];
    size |= (size_t) (byte & 0x7F) << shift;
    if (!(byte & 0x80))
      break;
  }
  if (length - at < size)
    return 0;
  const char *body = bytes + at;
  unsigned char type = (unsigned char) bytes[0];
  *event = (struct event){.kind = EVENT_NOTHING};
  if ((type & 0xF0) == PUBLISH) {
    *event = read_publish(body, size, type & 0x06);
  } else if (type == PUBACK && size == 2) {
    *event = (struct event){.kind = EVENT_ANSWER, .numbered = true, .packet = number_at(body)};
  } else if ((type == CONNACK && size == 2) || (type == SUBACK && size == 3)) {
    bool accepted = type == CONNACK ? !body[1] : !((unsigned char) body[2] & 0x80);
    *event = (struct event){.kind = accepted ? EVENT_ANSWER : EVENT_REFUSED, .value = {"(no reason given)", 17}};
  } else {
    fail("an unexpected packet of MQTT, type 0x%02x, %zu bytes", type, size);
  }
  return at + size;
}

const struct protocol protocol_mqtt = {
    .name = "mqtt",
    .identify = mqtt_identify,
    .subscribe = mqtt_subscribe,
    .receive_messages = mqtt_receive_messages,
    .publish = mqtt_publish,
    .alive = mqtt_alive,
    .decode = mqtt_decode,
};
