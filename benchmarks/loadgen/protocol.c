#include "protocol.h"

#include <string.h>

const struct protocol *protocol_named(const char *name) {
  static const struct protocol *const all[] = {&protocol_textmq, &protocol_echo, &protocol_mqtt};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (!strcmp(all[i]->name, name))
      return all[i];
  fail("no protocol is called %s", name);
}
