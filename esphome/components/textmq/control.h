#pragma once

#include "client.h"

#ifdef USE_TEXTMQ

namespace esphome::textmq {

/// An entity that follows a variable, and writes it or the one that takes its commands.
class VariableControl : public Subscription {
 public:
  VariableControl(TextMQClient *client, const char *variable) : Subscription(variable), client_(client) {}

  void set_command_variable(const char *variable) { this->command_variable_ = variable; }

 protected:
  /// True where the entity has its new state by that; a command is only confirmed by the variable.
  bool write_(std::string_view value) {
    if (this->command_variable_ == nullptr)
      return this->client_->publish(this->filter_, value);
    this->client_->publish(this->command_variable_, value, false);
    return false;
  }

  TextMQClient *client_;
  const char *command_variable_{nullptr};
};

}  // namespace esphome::textmq

#endif  // USE_TEXTMQ
