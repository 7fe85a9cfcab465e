// Coverage-guided search with libFuzzer and sanitizers: any bytes through the wire code of the ESPHome component.
//
// The first byte is the longest line less 16; chunks are parted by 0xFE.

#include "wire.h"
#include "wire_checks.h"

#include <algorithm>
#include <string>
#include <vector>

using namespace esphome::textmq;

// What is read can be written and is the same when it is read again.
static void check_message(wire::Frame frame, wire::Message &message, size_t max_line) {
  if (frame != wire::Frame::FRAME_MESSAGE)
    return;
  size_t size = 0;
  std::string last;
  message.for_each([&](std::string_view key, std::string_view value) {
    require(message.get(key) == value, "get() finds what for_each() shows");
    size += key.size() + value.size();
    last = key;
  });
  require(size <= max_line, "a message is no longer than its line");
  const size_t raw = message.get(last)->size();
  const std::string text(message.take_text(last));
  require(text.size() <= raw, "decoding never makes a text longer");
}

// Any bytes can be sent as a value; they come out as the same text, or as what is left of it where it is no UTF-8.
static void check_value(std::string_view bytes) {
  std::string former;
  for (int round = 0; round < 2; round++) {
    std::vector<char> line(64 + 12 * bytes.size());
    wire::Writer writer(line, "A");
    const size_t size = writer.param("V", bytes).finish();
    require(size != 0, "it fits");
    std::vector<char> buffer(size + wire::Framer::LINE_END_SIZE);
    wire::Framer framer(buffer);
    std::string got;
    size_t messages = 0;
    feed(framer, {line.data(), size}, [&](wire::Frame frame, wire::Message &message) {
      require(frame == wire::Frame::FRAME_MESSAGE, "a value is never more than a value");
      got = message.take_text("V");
      messages++;
    });
    require(messages == 1, "one message is one message");
    require(round == 0 || got == former, "what was a text stays as it is");
    former = got;
    bytes = former;
  }
}

static void check_names(std::string_view bytes) {
  wire::is_device_id(bytes);
  wire::is_recipient(bytes);
  wire::parse_time(bytes);
  const size_t middle = bytes.size() / 2;
  const std::string_view filter = bytes.substr(0, middle), name = bytes.substr(middle);
  if (wire::is_filter(filter) && wire::is_variable_name(name))
    wire::filter_matches(filter, name);
  if (wire::is_filter(bytes) && wire::is_variable_name(bytes))
    require(wire::filter_matches(bytes, bytes), "a name matches itself");
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0)
    return 0;
  const size_t max_line = 16 + data[0];
  const std::string_view bytes(reinterpret_cast<const char *>(data) + 1, size - 1);
  std::vector<char> buffer(max_line + wire::Framer::LINE_END_SIZE);
  wire::Framer framer(buffer);
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const std::string_view chunk = rest.substr(0, rest.find('\xFE'));
    rest.remove_prefix(std::min(chunk.size() + 1, rest.size()));
    feed(framer, chunk,
         [max_line](wire::Frame frame, wire::Message &message) { check_message(frame, message, max_line); });
  }
  bool arrived = false;
  feed(framer, "\nSTART|COMMAND=A|END\n", [&arrived](wire::Frame frame, wire::Message &message) {
    arrived = frame == wire::Frame::FRAME_MESSAGE && message.command() == "A";
  });
  require(arrived || max_line < 19, "whatever the line has seen, a line feed and a good message get through");
  check_value(bytes);
  check_names(bytes);
  return 0;
}
