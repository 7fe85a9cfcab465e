#include "textmq_event.h"

#include "esphome/core/log.h"

namespace esphome::textmq {

static const char *const TAG = "textmq.event";

void TextMQEvent::dump_config() {
  LOG_EVENT("", "TextMQ Event", this);
  ESP_LOGCONFIG(TAG, "  Variable: %s", this->filter_);
}

}  // namespace esphome::textmq
