// A socket whose other end is in the same program, and which takes as little at a time as a test wants.
#pragma once

#include <sys/types.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>

namespace esphome::socket {

struct Pipe {
  std::string bytes;
  size_t room;
  bool closed{false};

  ssize_t write(const void *data, size_t size) {
    size = std::min(size, this->room - std::min(this->room, this->bytes.size()));
    if (size == 0) {
      errno = EAGAIN;
      return -1;
    }
    this->bytes.append(static_cast<const char *>(data), size);
    return static_cast<ssize_t>(size);
  }

  ssize_t read(void *data, size_t size) {
    if (this->bytes.empty()) {
      errno = EAGAIN;
      return this->closed ? 0 : -1;
    }
    size = std::min(size, this->bytes.size());
    std::copy_n(this->bytes.data(), size, static_cast<char *>(data));
    this->bytes.erase(0, size);
    return static_cast<ssize_t>(size);
  }
};

class Socket {
 public:
  Socket(Pipe *out, Pipe *in) : out_(out), in_(in) {}

  ssize_t write(const void *data, size_t size) { return this->out_->write(data, size); }
  ssize_t read(void *data, size_t size) { return this->in_->read(data, size); }

 protected:
  Pipe *out_;
  Pipe *in_;
};

}  // namespace esphome::socket
