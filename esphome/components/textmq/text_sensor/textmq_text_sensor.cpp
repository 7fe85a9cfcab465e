#include "textmq_text_sensor.h"

#include "esphome/core/log.h"

namespace esphome::textmq {

static const char *const TAG = "textmq.text_sensor";

void TextMQTextSensor::dump_config() {
  LOG_TEXT_SENSOR("", "TextMQ Text Sensor", this);
  ESP_LOGCONFIG(TAG, "  Variable: %s", this->filter_);
}

void TextMQTextSensor::on_unavailable() {
  // ESPHome's text sensors know no way to say that they have no state any more, other than this.
  this->publish_state("", 0);
  this->set_has_state(false);
}

}  // namespace esphome::textmq
