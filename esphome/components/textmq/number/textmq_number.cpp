#include "textmq_number.h"

#include "esphome/core/log.h"

namespace esphome::textmq {

static const char *const TAG = "textmq.number";

void TextMQNumber::dump_config() {
  LOG_NUMBER("", "TextMQ Number", this);
  ESP_LOGCONFIG(TAG, "  Variable: %s", this->filter_);
}

void TextMQNumber::on_value(StringRef variable, StringRef value) {
  const auto number = parse_number<float>(value.c_str());
  if (!number.has_value() && !value.empty())
    ESP_LOGW(TAG, "'%s': '%.*s' is not a number", this->get_name().c_str(), shown_length(value), value.c_str());
  this->publish_state(number.value_or(NAN));
}

void TextMQNumber::control(float value) {
  char text[VALUE_ACCURACY_MAX_LEN];
  const size_t size = value_accuracy_to_buf(text, value, step_to_accuracy_decimals(this->traits.get_step()));
  if (this->write_({text, size}))
    this->publish_state(value);
}

}  // namespace esphome::textmq
