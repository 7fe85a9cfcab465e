#include "textmq_sensor.h"

#include "esphome/core/log.h"

namespace esphome::textmq {

static const char *const TAG = "textmq.sensor";

void TextMQSensor::dump_config() {
  LOG_SENSOR("", "TextMQ Sensor", this);
  ESP_LOGCONFIG(TAG, "  Variable: %s", this->filter_);
}

void TextMQSensor::on_value(StringRef variable, StringRef value) {
  const auto number = parse_number<float>(value.c_str());
  if (!number.has_value() && !value.empty())
    ESP_LOGW(TAG, "'%s': '%.*s' is not a number", this->get_name().c_str(), shown_length(value), value.c_str());
  this->publish_state(number.value_or(NAN));
}

}  // namespace esphome::textmq
