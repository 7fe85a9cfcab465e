#pragma once

#include "esphome/components/sensor/sensor.h"
#include "esphome/core/component.h"
#include "../client.h"

namespace esphome::textmq {

/// A sensor that shows the value of a variable; unknown where that is no number.
class TextMQSensor final : public sensor::Sensor, public Component, public Subscription {
 public:
  using Subscription::Subscription;

  void dump_config() override;

 protected:
  void on_value(StringRef variable, StringRef value) override;
  void on_unavailable() override { this->publish_state(NAN); }
};

}  // namespace esphome::textmq
