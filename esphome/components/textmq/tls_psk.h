#pragma once

#include "esphome/core/defines.h"

#ifdef USE_TEXTMQ_TLS

#include "esphome/components/socket/socket.h"

#include <mbedtls/ssl.h>

#include <span>
#include <string_view>

namespace esphome::textmq {

/// TLS 1.2 with a pre-shared key (protocol B7) as the client, over a socket that does not block. mbedTLS takes its
/// memory from the heap for as long as the connection lasts.
class TlsPsk {
 public:
  static constexpr size_t KEY_SIZE = 32;

  enum class Handshake : uint8_t { HANDSHAKE_GOES_ON, HANDSHAKE_DONE, HANDSHAKE_FAILED };

  TlsPsk() = default;
  ~TlsPsk() { this->end(false); }
  TlsPsk(const TlsPsk &) = delete;
  TlsPsk &operator=(const TlsPsk &) = delete;

  /// False where there is not enough memory.
  bool begin(socket::Socket *socket, const uint8_t *key, const char *identity);
  Handshake handshake();
  /// As Link::read() and Link::write().
  ssize_t read(std::span<char> buffer);
  ssize_t write(std::string_view data);
  /// Frees everything; tells the other side before where it is there.
  void end(bool notify);

 protected:
  static int send(void *self, const unsigned char *data, size_t size);
  static int receive(void *self, unsigned char *data, size_t size);

  mbedtls_ssl_context ssl_;
  mbedtls_ssl_config config_;
  socket::Socket *socket_{nullptr};
  bool unflushed_{false};
};

}  // namespace esphome::textmq

#endif  // USE_TEXTMQ_TLS
