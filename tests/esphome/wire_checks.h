// For what checks the wire code of the ESPHome component without ESPHome: wire_harness.cpp, and fuzz/fuzz_wire.cpp.
#pragma once

#include "wire.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

inline void require(bool condition, const char *what) {
  if (!condition) {
    std::fprintf(stderr, "does not hold: %s\n", what);
    std::abort();
  }
}

// Feeds one chunk as a socket would: as much as there is space for, then all messages, and again.
template<typename F> void feed(esphome::textmq::wire::Framer &framer, std::string_view chunk, F &&on_frame) {
  namespace wire = esphome::textmq::wire;
  while (!chunk.empty()) {
    const std::span<char> space = framer.space();
    require(!space.empty(), "there is space after the last message was taken");
    const size_t size = std::min(space.size(), chunk.size());
    std::copy_n(chunk.data(), size, space.data());
    framer.received(size);
    chunk.remove_prefix(size);
    wire::Message message;
    for (auto frame = framer.next(message); frame != wire::Frame::FRAME_NONE; frame = framer.next(message))
      on_frame(frame, message);
  }
}
