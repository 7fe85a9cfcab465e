#pragma once

#include "esphome/components/select/select.h"
#include "esphome/core/component.h"
#include "../control.h"

namespace esphome::textmq {

/// A select that follows a variable and publishes to it what it is set to; with a command variable, publishes to that
/// one and waits for the device that carries the command out.
class TextMQSelect final : public select::Select, public Component, public VariableControl {
 public:
  using VariableControl::VariableControl;

  void dump_config() override;

 protected:
  void on_value(StringRef variable, StringRef value) override;
  void control(size_t index) override;
};

}  // namespace esphome::textmq
