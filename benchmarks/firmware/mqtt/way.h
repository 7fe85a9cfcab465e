// What is measured of ESPHome's mqtt: on libmosquitto, with mosquitto, whose other client is the driver in here.
#pragma once

#include "measure.h"

#include "esphome/components/mqtt/mqtt_client.h"
#include "esphome/components/sensor/sensor.h"
#include "esphome/components/switch/switch.h"
#include "esphome/core/application.h"

#include <poll.h>
#include <string>

namespace way {

using namespace esphome;  // NOLINT(google-build-using-namespace)

static int texts_heard = 0;

inline void heard(const std::string &text) { texts_heard++; }

inline bool has_bytes(int socket, int wait_ms) {
  struct pollfd waited_for = {socket, POLLIN, 0};
  return ::poll(&waited_for, 1, wait_ms) > 0;
}

// Another client of the broker; keeps the last value of one topic.
class Driver {
 public:
  Driver() : mosquitto_(mosquitto_new("driver", true, this)) {
    mosquitto_int_option(this->mosquitto_, MOSQ_OPT_TCP_NODELAY, 1);
    mosquitto_message_callback_set(this->mosquitto_, [](mosquitto *, void *self, const mosquitto_message *message) {
      static_cast<Driver *>(self)->found_.assign(static_cast<const char *>(message->payload), message->payloadlen);
    });
    measure::require(mosquitto_connect(this->mosquitto_, "127.0.0.1", atoi(getenv("MEASURE_PORT")), 600) == 0,
                     "connect");
  }

  void publish(const char *topic, const std::string &text) {
    measure::require(mosquitto_publish(this->mosquitto_, nullptr, topic, text.size(), text.data(), 0, false) == 0,
                     topic);
    // Whatever the broker has said to this client, without waiting for it.
    mosquitto_loop(this->mosquitto_, 0, 10);
  }
  std::string get(const char *topic) {
    this->found_.clear();
    mosquitto_subscribe(this->mosquitto_, nullptr, topic, 0);
    while (this->found_.empty())
      mosquitto_loop(this->mosquitto_, 100, 10);
    return this->found_;
  }

 protected:
  mosquitto *mosquitto_;
  std::string found_;
};

inline void step(mqtt::MQTTClientComponent *client, sensor::Sensor *changing, sensor::Sensor *followed,
                 switch_::Switch *lamp) {
  // After some loops, in which it sends what follows a connection; never again from inside.
  static int left = 20;
  if (!client->is_connected() || --left != 0)
    return;
  static const char *const TEXT = "some text of usual length";
  mqtt::MQTTBackendHost *const library = mqtt::MQTTBackendHost::instance;
  while (has_bytes(library->socket(), 200))
    library->read();
  const auto read = [library](int) { library->read(); };
  measure::begin(library->heap());
  Driver driver;
  measure::run(
      "idle", measure::nothing, [client](int) { client->loop(); }, measure::nothing);
  measure::run(
      "state", measure::nothing,
      [changing](int round) { changing->publish_state(20.0f + static_cast<float>(round & 15) / 2); }, measure::nothing);
  measure::run(
      "text", measure::nothing, [client](int) { client->publish("measured/text", TEXT, strlen(TEXT), 0, true); },
      measure::nothing);
  measure::run(
      "value",
      [&](int round) {
        driver.publish("driver/number", std::to_string(1000 + round));
        measure::require(has_bytes(library->socket(), 10000), "a value comes");
      },
      read, measure::nothing);
  measure::run(
      "automation",
      [&](int) {
        driver.publish("driver/text", TEXT);
        measure::require(has_bytes(library->socket(), 10000), "a text comes");
      },
      read, measure::nothing);
  measure::run(
      "command",
      [&](int round) {
        driver.publish("measured/switch/lamp/command", (round & 1) != 0 ? "ON" : "OFF");
        measure::require(has_bytes(library->socket(), 10000), "a command comes");
      },
      [library](int) {
        library->read();
        // The switch puts its new state off to the node's next loop.
        App.scheduler.call(millis());
      },
      measure::nothing);
  const int last = measure::rounds() - 1;
  const char *const state = (last & 1) != 0 ? "ON" : "OFF";
  measure::require(lamp->state == ((last & 1) != 0), "the lamp is as the last command says");
  measure::require(driver.get("measured/switch/lamp/state") == state, "and the broker has it");
  measure::require(driver.get("measured/text") == TEXT, "the text was published");
  measure::require(followed->state == static_cast<float>(1000 + last), "the sensor follows its topic");
  measure::require(texts_heard == measure::rounds() + measure::WARM_UP, "the automation ran for each text");
  measure::end();
}

}  // namespace way
