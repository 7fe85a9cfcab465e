// Lets a test drive a node over its standard input, one command a line, and see the states of its entities in the log.
// A `%XX` in a text stands for that byte.
#pragma once

#include "esphome/core/application.h"
#include "esphome/core/helpers.h"
#include "esphome/core/log.h"
#include "esphome/components/textmq/client.h"

#include <cstdlib>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <string>
#include <unistd.h>

namespace control {

using namespace esphome;  // NOLINT(google-build-using-namespace)

static const char *const TAG = "control";

inline std::string take_word(std::string &line) {
  const size_t space = line.find(' ');
  std::string word = line.substr(0, space);
  line = space == std::string::npos ? "" : line.substr(space + 1);
  return word;
}

inline std::string decode(const std::string &text) {
  std::string out;
  for (size_t i = 0; i < text.size(); i++) {
    if (text[i] == '%') {
      out.push_back(static_cast<char>(strtol(text.substr(i + 1, 2).c_str(), nullptr, 16)));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

inline std::string encode(const std::string &text) {
  std::string out;
  for (const char c : text) {
    if (c > ' ' && c <= '~' && c != '%') {
      out.push_back(c);
    } else {
      char hex[4];
      snprintf(hex, sizeof(hex), "%%%02X", static_cast<unsigned char>(c));
      out += hex;
    }
  }
  return out;
}

// The first of these entities with that object ID.
template<typename T> auto *find(T &entities, const std::string &id) {
  for (auto *entity : entities) {
    char buffer[OBJECT_ID_MAX_LEN];
    if (entity->get_object_id_to(buffer) == id)
      return entity;
  }
  ESP_LOGE(TAG, "no entity %s", id.c_str());
  abort();
}

inline void show(const char *kind, EntityBase *entity, const std::string &state) {
  char buffer[OBJECT_ID_MAX_LEN];
  ESP_LOGI(TAG, "STATE %s %s %s", kind, entity->get_object_id_to(buffer).c_str(),
           entity->has_state() ? encode(state).c_str() : "-");
}

inline std::string to_text(float value) {
  char text[32];
  snprintf(text, sizeof(text), "%g", value);
  return text;
}

inline void show_states() {
  for (auto *entity : App.get_sensors())
    show("sensor", entity, to_text(entity->state));
  for (auto *entity : App.get_binary_sensors())
    show("binary_sensor", entity, ONOFF(entity->state));
  for (auto *entity : App.get_text_sensors())
    show("text_sensor", entity, entity->state);
  for (auto *entity : App.get_switches())
    show("switch", entity, ONOFF(entity->state));
  for (auto *entity : App.get_numbers())
    show("number", entity, to_text(entity->state));
  for (auto *entity : App.get_selects())
    show("select", entity, entity->current_option().str());
  for (auto *entity : App.get_texts())
    show("text", entity, entity->state);
}

inline void run(textmq::TextMQClient *client, std::string line) {
  const std::string verb = take_word(line);
  if (verb == "states") {
    show_states();
  } else if (verb == "status") {
    ESP_LOGI(TAG, "STATUS connected=%d flushed=%d", client->is_connected(), client->is_flushed());
  } else if (verb == "heap") {
    ESP_LOGI(TAG, "HEAP %zu", mallinfo2().uordblks);
  } else if (verb == "enable") {
    client->enable();
  } else if (verb == "disable") {
    client->disable();
  } else if (verb == "request_time") {
    client->request_time();
  } else if (verb == "reboot") {
    App.safe_reboot();
  } else if (verb == "log") {
    ESP_LOGW(TAG, "%s", decode(line).c_str());
  } else if (verb == "mark") {
    ESP_LOGI(TAG, "MARK %s", line.c_str());
  } else if (verb == "block") {
    delay(atoi(line.c_str()));
  } else {
    const std::string name = decode(take_word(line));
    const std::string text = decode(line);
    bool done = true;
    if (verb == "publish") {
      done = client->publish(name, text);
    } else if (verb == "event!") {
      done = client->publish(name, text, false);
    } else if (verb == "delete") {
      done = client->remove(name);
    } else if (verb == "send") {
      done = client->send(name, text);
    } else if (verb == "flood") {
      for (int i = 1; i <= atoi(text.c_str()); i++)
        client->publish(name, std::to_string(i));
    } else if (verb == "sensor") {
      find(App.get_sensors(), name)->publish_state(text.empty() ? NAN : strtof(text.c_str(), nullptr));
    } else if (verb == "binary_sensor") {
      auto *entity = find(App.get_binary_sensors(), name);
      if (text.empty()) {
        entity->invalidate_state();
      } else {
        entity->publish_state(text == "ON");
      }
    } else if (verb == "text_sensor") {
      find(App.get_text_sensors(), name)->publish_state(text);
    } else if (verb == "switch") {
      find(App.get_switches(), name)->control(text == "ON");
    } else if (verb == "number") {
      find(App.get_numbers(), name)->make_call().set_value(strtof(text.c_str(), nullptr)).perform();
    } else if (verb == "select") {
      find(App.get_selects(), name)->make_call().set_option(text).perform();
    } else if (verb == "text") {
      find(App.get_texts(), name)->make_call().set_value(text).perform();
    } else if (verb == "button") {
      find(App.get_buttons(), name)->press();
    } else if (verb == "event") {
      find(App.get_events(), name)->trigger(text);
    } else {
      ESP_LOGE(TAG, "no command %s", verb.c_str());
      abort();
    }
    ESP_LOGI(TAG, "DONE %s %d", verb.c_str(), done);
  }
}

// Carries out what has come over standard input; never waits.
inline void poll_input(textmq::TextMQClient *client) {
  static std::string input;
  struct pollfd standard_input = {STDIN_FILENO, POLLIN, 0};
  char buffer[4096];
  while (::poll(&standard_input, 1, 0) > 0 && (standard_input.revents & POLLIN) != 0) {
    const ssize_t size = ::read(STDIN_FILENO, buffer, sizeof(buffer));
    // The test is gone.
    if (size == 0)
      ::_exit(0);
    if (size < 0)
      break;
    input.append(buffer, size);
  }
  for (size_t end = input.find('\n'); end != std::string::npos; end = input.find('\n')) {
    const std::string line = input.substr(0, end);
    input.erase(0, end + 1);
    run(client, line);
  }
}

inline uint32_t environment(const char *name, uint32_t otherwise) {
  const char *text = getenv(name);
  return text == nullptr ? otherwise : strtoul(text, nullptr, 10);
}

// What a YAML fixes for one node, an environment variable sets here, so that one program runs as many nodes.
inline void configure(textmq::TextMQClient *client) {
  client->set_port(environment("NODE_PORT", 0));
  if (const char *id = getenv("NODE_ID"))
    client->set_device_id(id);
  if (const char *host = getenv("NODE_HOST"))
    client->set_host(host);
  client->set_keepalive(environment("NODE_KEEPALIVE_MS", 30000));
  client->set_reconnect(environment("NODE_RECONNECT_MIN_MS", 100), environment("NODE_RECONNECT_MAX_MS", 1000));
  client->set_reboot_timeout(environment("NODE_REBOOT_TIMEOUT_MS", 0));
  client->set_sleep_duration(environment("NODE_SLEEP_S", 0));
  client->set_enable_on_boot(environment("NODE_ENABLED", 1) != 0);
#ifdef USE_TEXTMQ_TLS
  static uint8_t key[textmq::TlsPsk::KEY_SIZE];
  const char *hex = getenv("NODE_KEY");
  if (hex != nullptr)
    parse_hex(hex, key, sizeof(key));
  client->set_key(hex == nullptr ? nullptr : key);
#endif
}

}  // namespace control
