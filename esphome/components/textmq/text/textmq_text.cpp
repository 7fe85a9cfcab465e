#include "textmq_text.h"

#include "esphome/core/log.h"

namespace esphome::textmq {

static const char *const TAG = "textmq.text";

void TextMQText::dump_config() {
  LOG_TEXT("", "TextMQ Text", this);
  ESP_LOGCONFIG(TAG, "  Variable: %s", this->filter_);
}

void TextMQText::control(const std::string &value) {
  if (this->write_(value))
    this->publish_state(value);
}

}  // namespace esphome::textmq
