#include "textmq_select.h"

#include "esphome/core/log.h"

namespace esphome::textmq {

static const char *const TAG = "textmq.select";

void TextMQSelect::dump_config() {
  LOG_SELECT("", "TextMQ Select", this);
  ESP_LOGCONFIG(TAG, "  Variable: %s", this->filter_);
}

void TextMQSelect::on_value(StringRef variable, StringRef value) {
  if (const auto index = this->index_of(value.c_str(), value.size()); index.has_value()) {
    this->publish_state(*index);
  } else if (!value.empty()) {
    ESP_LOGW(TAG, "'%s': '%.*s' is none of the options", this->get_name().c_str(), shown_length(value), value.c_str());
  }
}

void TextMQSelect::control(size_t index) {
  if (this->write_(this->option_at(index)))
    this->publish_state(index);
}

}  // namespace esphome::textmq
