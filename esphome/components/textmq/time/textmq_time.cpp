#include "textmq_time.h"

#include "esphome/core/log.h"

namespace esphome::textmq {

static const char *const TAG = "textmq.time";

void TextMQTime::setup() {
  this->client_->add_on_time_callback([this](uint32_t epoch) { this->synchronize_epoch_(epoch); });
}

void TextMQTime::update() {
  // The first update comes right after the start, when the connection sets the clock by itself.
  if (this->started_)
    this->client_->request_time();
  this->started_ = true;
}

void TextMQTime::dump_config() {
  ESP_LOGCONFIG(TAG, "TextMQ Time");
  RealTimeClock::dump_config();
}

}  // namespace esphome::textmq
