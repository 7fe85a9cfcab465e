// What ESPHome's mqtt component misses on this machine: an MQTT library, for which libmosquitto stands in, and a JSON
// library and DNS, in whose places nothing is done.
#pragma once

#include "mqtt_backend.h"

#include <functional>
#include <malloc.h>
#include <mosquitto.h>
#include <string>

struct JsonNothing {
  template<typename T> JsonNothing &operator=(const T &value) { return *this; }
  template<typename K> JsonNothing operator[](K &&key) const { return {}; }
  template<typename T> T to() const { return {}; }
  template<typename T> bool add(const T &value) const { return true; }
};
using JsonObject = JsonNothing;
using JsonObjectConst = JsonNothing;
using JsonArray = JsonNothing;

namespace esphome::json {

using json_build_t = std::function<void(JsonObject)>;

inline std::string build_json(const json_build_t &build) {
  build({});
  return "{}";
}
template<typename F> bool parse_json(const std::string &text, F &&take) { return take(JsonObject{}); }

}  // namespace esphome::json

using err_t = int;
enum { ERR_OK, ERR_INPROGRESS, ERR_ARG };
enum { LWIP_DNS_ADDRTYPE_IPV4, LWIP_DNS_ADDRTYPE_IPV6_IPV4 };
template<typename F>
err_t dns_gethostbyname_addrtype(const char *name, ip_addr_t *found, F &&call, void *arg, int type) {
  *found = {};
  return ERR_OK;
}

namespace esphome::mqtt {

class MQTTBackendHost final : public MQTTBackend {
 public:
  static inline MQTTBackendHost *instance = nullptr;

  MQTTBackendHost() { instance = this; }

  int socket() const { return mosquitto_socket(this->mosquitto_); }
  // Bytes that the library has taken.
  size_t heap() const { return this->heap_; }
  void read() { mosquitto_loop_read(this->mosquitto_, 1); }

  void set_keep_alive(uint16_t keep_alive) final {}
  void set_client_id(const char *client_id) final {}
  void set_clean_session(bool clean_session) final {}
  void set_credentials(const char *username, const char *password) final {}
  void set_will(const char *topic, uint8_t qos, bool retain, const char *payload) final {}
  void set_server(network::IPAddress ip, uint16_t port) final {}
  void set_server(const char *host, uint16_t port) final {}
  void set_on_connect(std::function<on_connect_callback_t> &&callback) final {}
  void set_on_disconnect(std::function<on_disconnect_callback_t> &&callback) final {}
  void set_on_subscribe(std::function<on_subscribe_callback_t> &&callback) final {}
  void set_on_unsubscribe(std::function<on_unsubscribe_callback_t> &&callback) final {}
  void set_on_message(std::function<on_message_callback_t> &&callback) final {
    this->on_message_ = std::move(callback);
  }
  void set_on_publish(std::function<on_publish_user_callback_t> &&callback) final {}

  bool connected() const final { return this->connected_; }
  void connect() final {
    const size_t before = mallinfo2().uordblks;
    mosquitto_lib_init();
    this->mosquitto_ = mosquitto_new("measured", true, this);
    mosquitto_int_option(this->mosquitto_, MOSQ_OPT_TCP_NODELAY, 1);
    mosquitto_connect_callback_set(this->mosquitto_, [](mosquitto *, void *self, int result) {
      static_cast<MQTTBackendHost *>(self)->connected_ = result == 0;
    });
    mosquitto_message_callback_set(this->mosquitto_, [](mosquitto *, void *self, const mosquitto_message *message) {
      static_cast<MQTTBackendHost *>(self)->on_message_(message->topic, static_cast<const char *>(message->payload),
                                                        message->payloadlen, 0, message->payloadlen);
    });
    mosquitto_connect(this->mosquitto_, "127.0.0.1", atoi(getenv("MEASURE_PORT")), 600);
    while (!this->connected_)
      mosquitto_loop(this->mosquitto_, -1, 1);
    this->heap_ = mallinfo2().uordblks - before;
  }
  void disconnect() final {}
  bool subscribe(const char *topic, uint8_t qos) final {
    return mosquitto_subscribe(this->mosquitto_, nullptr, topic, qos) == MOSQ_ERR_SUCCESS;
  }
  bool unsubscribe(const char *topic) final {
    return mosquitto_unsubscribe(this->mosquitto_, nullptr, topic) == MOSQ_ERR_SUCCESS;
  }
  bool publish(const char *topic, const char *payload, size_t length, uint8_t qos, bool retain) final {
    return mosquitto_publish(this->mosquitto_, nullptr, topic, length, payload, qos, retain) == MOSQ_ERR_SUCCESS;
  }
  using MQTTBackend::publish;

 protected:
  mosquitto *mosquitto_{nullptr};
  std::function<on_message_callback_t> on_message_;
  size_t heap_{0};
  bool connected_{false};
};

}  // namespace esphome::mqtt
