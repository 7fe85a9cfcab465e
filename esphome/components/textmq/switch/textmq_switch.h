#pragma once

#include "esphome/components/switch/switch.h"
#include "esphome/core/component.h"
#include "../control.h"

namespace esphome::textmq {

/// A switch that follows a variable and publishes to it what it is set to; with a command variable, publishes to that
/// one and waits for the device that carries the command out.
class TextMQSwitch final : public switch_::Switch, public Component, public VariableControl {
 public:
  using VariableControl::VariableControl;

  void dump_config() override;

 protected:
  void on_value(StringRef variable, StringRef value) override;
  void write_state(bool state) override;
};

}  // namespace esphome::textmq
