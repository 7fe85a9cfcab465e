#pragma once

#include "esphome/components/time/real_time_clock.h"
#include "../client.h"

namespace esphome::textmq {

/// The clock of the node, set by the broker when it lets the node in, and at each update.
class TextMQTime final : public time::RealTimeClock {
 public:
  explicit TextMQTime(TextMQClient *client) : client_(client) {}

  void setup() override;
  void update() override;
  void dump_config() override;
  float get_setup_priority() const override { return setup_priority::DATA; }

 protected:
  TextMQClient *client_;
  bool started_{false};
};

}  // namespace esphome::textmq
