#pragma once

#include "esphome/components/button/button.h"
#include "esphome/core/component.h"
#include "../client.h"

namespace esphome::textmq {

/// A button that publishes a value, as an event that is not stored.
class TextMQButton final : public button::Button, public Component {
 public:
  TextMQButton(TextMQClient *client, const char *variable, const char *value)
      : client_(client), variable_(variable), value_(value) {}

  void dump_config() override;

 protected:
  void press_action() override { this->client_->publish(this->variable_, this->value_, false); }

  TextMQClient *client_;
  const char *variable_;
  const char *value_;
};

}  // namespace esphome::textmq
