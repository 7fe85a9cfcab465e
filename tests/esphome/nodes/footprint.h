// What the component costs: measured inside the node.
#pragma once

#include "control.h"
#include "count_mallocs.h"
#include "esphome/components/sensor/sensor.h"
#include "esphome/components/textmq/client.h"
#include "esphome/components/textmq/entities.h"

#include <chrono>

namespace footprint {

using namespace esphome;  // NOLINT(google-build-using-namespace)

// Runs the client so many times, with new states and values to publish each time, and counts allocations and time.
inline void measure(textmq::TextMQClient *client, sensor::Sensor *changing, int rounds) {
  uint32_t mallocs = 0;
  double total = 0;
  double longest = 0;
  for (int round = 0; round < rounds; round++) {
    const uint32_t mallocs_before = malloc_count;
    const auto before = std::chrono::steady_clock::now();
    changing->publish_state(static_cast<float>(round));
    client->publish("footprint/value", "some text of usual length");
    client->loop();
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - before;
    mallocs += malloc_count - mallocs_before;
    total += took.count();
    longest = std::max(longest, took.count());
    usleep(1000);
  }
  double idle = 0;
  for (int round = 0; round < rounds; round++) {
    const auto before = std::chrono::steady_clock::now();
    client->loop();
    idle += std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - before).count();
  }
  ESP_LOGI("footprint", "MEASURED mallocs=%u busy=%.1f longest=%.1f idle=%.2f", mallocs, total / rounds, longest,
           idle / rounds);
  ESP_LOGI("footprint", "SIZES client=%zu buffers=%d entities=%zu", sizeof(textmq::TextMQClient),
           ESPHOME_TEXTMQ_RX_BUFFER_SIZE + ESPHOME_TEXTMQ_TX_BUFFER_SIZE, sizeof(textmq::EntityPublisher));
}

}  // namespace footprint
