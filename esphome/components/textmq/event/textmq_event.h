#pragma once

#include "esphome/components/event/event.h"
#include "esphome/core/component.h"
#include "../client.h"

namespace esphome::textmq {

/// An event entity: each value that is published to the variable is an event of that type.
class TextMQEvent final : public event::Event, public Component, public Subscription {
 public:
  // A value that is there already is no event.
  explicit TextMQEvent(const char *variable) : Subscription(variable) { this->set_replay(false); }

  void dump_config() override;

 protected:
  void on_value(StringRef variable, StringRef value) override { this->trigger(value.c_str()); }
};

}  // namespace esphome::textmq
