#include "textmq_binary_sensor.h"

#include "esphome/core/log.h"

namespace esphome::textmq {

static const char *const TAG = "textmq.binary_sensor";

void TextMQBinarySensor::dump_config() {
  LOG_BINARY_SENSOR("", "TextMQ Binary Sensor", this);
  ESP_LOGCONFIG(TAG, "  Variable: %s", this->filter_);
}

void TextMQBinarySensor::on_value(StringRef variable, StringRef value) {
  const auto state = parse_on_off(value.c_str());
  if (state == PARSE_ON || state == PARSE_OFF) {
    this->publish_state(state == PARSE_ON);
    return;
  }
  if (!value.empty())
    ESP_LOGW(TAG, "'%s': '%.*s' is neither ON nor OFF", this->get_name().c_str(), shown_length(value), value.c_str());
  this->invalidate_state();
}

}  // namespace esphome::textmq
