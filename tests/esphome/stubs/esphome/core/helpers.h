#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace esphome {

inline bool random_bytes(uint8_t *data, size_t size) {
  for (size_t i = 0; i < size; i++)
    data[i] = static_cast<uint8_t>(rand());
  return true;
}

}  // namespace esphome
