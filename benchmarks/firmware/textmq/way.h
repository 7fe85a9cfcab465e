// What is measured of TextMQ: with the real broker, whose other client is the driver in here.
#pragma once

#include "measure.h"

#include "esphome/components/sensor/sensor.h"
#include "esphome/components/switch/switch.h"
#include "esphome/components/textmq/client.h"
#include "esphome/core/wake.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <string>
#include <unistd.h>

namespace way {

using namespace esphome;  // NOLINT(google-build-using-namespace)

static const int PORT = atoi(getenv("MEASURE_PORT"));
static int texts_heard = 0;

inline void heard(StringRef text) { texts_heard++; }

// Another client of the broker; waits for each answer.
class Driver {
 public:
  Driver() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    struct sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(PORT);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    measure::require(::connect(this->socket_, reinterpret_cast<sockaddr *>(&address), sizeof(address)) == 0, "connect");
    const int yes = 1;
    ::setsockopt(this->socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    this->ask("ID | ID=driver");
  }
  ~Driver() { ::close(this->socket_); }

  // Returns all that comes up to the OK.
  std::string ask(const std::string &command) {
    const std::string line = "START | COMMAND=" + command + " | END\n";
    measure::require(::write(this->socket_, line.data(), line.size()) == static_cast<ssize_t>(line.size()), "write");
    std::string answer;
    while (!answer.ends_with('\n') || answer.find("COMMAND=OK") == std::string::npos) {
      char buffer[1024];
      const ssize_t size = ::read(this->socket_, buffer, sizeof(buffer));
      measure::require(size > 0 && answer.find("COMMAND=BAD") == std::string::npos, answer.c_str());
      answer.append(buffer, size);
    }
    return answer;
  }
  void publish(const std::string &variable, const std::string &value) {
    this->ask("PUB | VARIABLE=" + variable + " | VALUE=" + value);
  }

 protected:
  int socket_;
};

// Waits until something has come, or looks whether it has.
inline void wait_for_bytes() { internal::wakeable_delay(10000); }
inline void look_for_bytes() { internal::wakeable_delay(0); }

inline void settle(textmq::TextMQClient *client) {
  while (!client->is_flushed()) {
    wait_for_bytes();
    client->loop();
  }
  look_for_bytes();
}

inline void step(textmq::TextMQClient *client, sensor::Sensor *changing, sensor::Sensor *followed,
                 switch_::Switch *lamp) {
  client->set_port(PORT);
  client->enable();
  if (!client->is_flushed())
    return;
  static const char *const TEXT = "some text of usual length";
  const auto settled = [client](int) { settle(client); };
  const auto loop = [client](int) { client->loop(); };
  const auto change = [changing](int round) { changing->publish_state(20.0f + static_cast<float>(round & 15) / 2); };
  measure::begin();
  Driver driver;
  settle(client);
  measure::run("idle", measure::nothing, loop, measure::nothing);
  measure::run(
      "state", measure::nothing,
      [&](int round) {
        change(round);
        client->loop();
      },
      settled);
  measure::run(
      "answer",
      [&](int round) {
        change(round);
        client->loop();
        wait_for_bytes();
      },
      loop, settled);
  measure::run(
      "text", measure::nothing,
      [client](int) {
        client->publish("measured/text", TEXT);
        client->loop();
      },
      settled);
  measure::run(
      "value",
      [&driver](int round) {
        driver.publish("driver/number", std::to_string(1000 + round));
        wait_for_bytes();
      },
      loop, settled);
  measure::run(
      "automation",
      [&driver](int) {
        driver.publish("driver/text", TEXT);
        wait_for_bytes();
      },
      loop, settled);
  measure::run(
      "command",
      [&driver](int round) {
        driver.publish("measured/lamp/set", (round & 1) != 0 ? "ON" : "OFF");
        wait_for_bytes();
      },
      loop, settled);
  const int last = measure::rounds() - 1;
  const std::string state = (last & 1) != 0 ? "VALUE=ON" : "VALUE=OFF";
  measure::require(lamp->state == ((last & 1) != 0), "the lamp is as the last command says");
  measure::require(driver.ask("GET | VARIABLE=measured/lamp").find(state) != std::string::npos,
                   "and the broker has it");
  measure::require(driver.ask("GET | VARIABLE=measured/text").find(TEXT) != std::string::npos,
                   "the text was published");
  measure::require(followed->state == static_cast<float>(1000 + last), "the sensor follows its variable");
  measure::require(texts_heard == measure::rounds() + measure::WARM_UP, "the automation ran for each text");
  measure::end();
}

}  // namespace way
