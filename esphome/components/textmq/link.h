#pragma once

#include "esphome/core/defines.h"

#ifdef USE_TEXTMQ

#include "esphome/components/socket/ipv4_resolve.h"
#include "esphome/components/socket/socket.h"
#include "esphome/core/log.h"
#ifdef USE_TEXTMQ_TLS
#include "tls_psk.h"
#endif

#include <memory>
#include <string_view>

namespace esphome::textmq {

/// One connection to the broker at a time: finds the address, connects, encrypts where there is a key, moves bytes.
/// Never blocks and never tries again by itself. On the host platform alone, names are looked up by a blocking call.
class Link {
 public:
  enum class State : uint8_t { STATE_CLOSED, STATE_RESOLVING, STATE_CONNECTING, STATE_HANDSHAKE, STATE_OPEN };

  void set_host(const char *host) { this->host_ = host; }
  void set_port(uint16_t port) { this->port_ = port; }
  const char *host() const { return this->host_; }
  uint16_t port() const { return this->port_; }
#ifdef USE_TEXTMQ_TLS
  /// 32 bytes that stay where they are.
  void set_key(const uint8_t *key) { this->key_ = key; }
  bool is_encrypted() const { return this->key_ != nullptr; }
#else
  static constexpr bool is_encrypted() { return false; }
#endif

  /// Begins to connect; poll() goes on with it. The identity is what the broker knows the key by.
  void open(const char *identity);
  State poll();
  void close();

  /// Why the state is STATE_CLOSED.
  const LogString *problem() const { return this->problem_; }

  /// False where a read would certainly get nothing. Once true, read until nothing is left.
  bool ready() const { return this->socket_ != nullptr && this->socket_->ready(); }
  /// Returns the number of bytes, 0 where there are none now, -1 where the connection has ended.
  ssize_t read(std::span<char> buffer);
  /// Returns the number of bytes that were taken, 0 where none can be now, -1 where the connection has ended. A call
  /// with no data sends on what was taken before.
  ssize_t write(std::string_view data);

 protected:
  static constexpr uint32_t CONNECT_TIMEOUT_MS = 10000;

  void resolve_();
  void connect_();
  void poll_connect_();
  State fail_(const LogString *problem);

  const char *host_{nullptr};
  const LogString *problem_{nullptr};
  socket::Ipv4Resolve address_;
  std::unique_ptr<socket::Socket> socket_;
#ifdef USE_TEXTMQ_TLS
  TlsPsk tls_;
  const uint8_t *key_{nullptr};
#endif
  const char *identity_{nullptr};
  uint32_t started_{0};
  uint16_t port_{0};
  State state_{State::STATE_CLOSED};
};

}  // namespace esphome::textmq

#endif  // USE_TEXTMQ
