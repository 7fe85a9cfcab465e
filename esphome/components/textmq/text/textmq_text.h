#pragma once

#include "esphome/components/text/text.h"
#include "esphome/core/component.h"
#include "../control.h"

namespace esphome::textmq {

/// A text that follows a variable and publishes to it what it is set to; with a command variable, publishes to that one
/// and waits for the device that carries the command out.
class TextMQText final : public text::Text, public Component, public VariableControl {
 public:
  using VariableControl::VariableControl;

  void dump_config() override;

 protected:
  void on_value(StringRef variable, StringRef value) override { this->publish_state(value.c_str(), value.size()); }
  void control(const std::string &value) override;
};

}  // namespace esphome::textmq
