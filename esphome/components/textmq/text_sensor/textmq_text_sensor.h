#pragma once

#include "esphome/components/text_sensor/text_sensor.h"
#include "esphome/core/component.h"
#include "../client.h"

namespace esphome::textmq {

/// A text sensor that shows the value of a variable.
class TextMQTextSensor final : public text_sensor::TextSensor, public Component, public Subscription {
 public:
  using Subscription::Subscription;

  void dump_config() override;

 protected:
  void on_value(StringRef variable, StringRef value) override { this->publish_state(value.c_str(), value.size()); }
  void on_unavailable() override;
};

}  // namespace esphome::textmq
