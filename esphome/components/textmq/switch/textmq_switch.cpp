#include "textmq_switch.h"

#include "esphome/core/log.h"

namespace esphome::textmq {

static const char *const TAG = "textmq.switch";

void TextMQSwitch::dump_config() {
  LOG_SWITCH("", "TextMQ Switch", this);
  ESP_LOGCONFIG(TAG, "  Variable: %s", this->filter_);
}

void TextMQSwitch::on_value(StringRef variable, StringRef value) {
  const auto state = parse_on_off(value.c_str());
  if (state == PARSE_ON || state == PARSE_OFF) {
    this->publish_state(state == PARSE_ON);
  } else if (!value.empty()) {
    ESP_LOGW(TAG, "'%s': '%.*s' is neither ON nor OFF", this->get_name().c_str(), shown_length(value), value.c_str());
  }
}

void TextMQSwitch::write_state(bool state) {
  if (this->write_(state ? "ON" : "OFF"))
    this->publish_state(state);
}

}  // namespace esphome::textmq
