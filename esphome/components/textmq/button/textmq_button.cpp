#include "textmq_button.h"

#include "esphome/core/log.h"

namespace esphome::textmq {

static const char *const TAG = "textmq.button";

void TextMQButton::dump_config() {
  LOG_BUTTON("", "TextMQ Button", this);
  ESP_LOGCONFIG(TAG, "  Variable: %s", this->variable_);
}

}  // namespace esphome::textmq
