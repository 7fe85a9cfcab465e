#pragma once

#include "esphome/components/number/number.h"
#include "esphome/core/component.h"
#include "../control.h"

namespace esphome::textmq {

/// A number that follows a variable and publishes to it what it is set to; with a command variable, publishes to that
/// one and waits for the device that carries the command out.
class TextMQNumber final : public number::Number, public Component, public VariableControl {
 public:
  using VariableControl::VariableControl;

  void dump_config() override;

 protected:
  void on_value(StringRef variable, StringRef value) override;
  void control(float value) override;
};

}  // namespace esphome::textmq
