#pragma once

#include "esphome/components/binary_sensor/binary_sensor.h"
#include "esphome/core/component.h"
#include "../client.h"

namespace esphome::textmq {

/// A binary sensor that shows the value of a variable: ON or OFF.
class TextMQBinarySensor final : public binary_sensor::BinarySensor, public Component, public Subscription {
 public:
  using Subscription::Subscription;

  void dump_config() override;

 protected:
  void on_value(StringRef variable, StringRef value) override;
  void on_unavailable() override { this->invalidate_state(); }
};

}  // namespace esphome::textmq
